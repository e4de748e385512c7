"""All files behind a raster, those of virtual rasters in virtual rasters too."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal
from polygon_scene import raster
from range_server import RangeServer

from otbtf_qgis.core.files.filesbehind import Behind, files_behind


@pytest.fixture
def nested(tmp_path: Path) -> Path:
    """image.tif with a mask beside it, read by one.vrt, which two.vrt reads, which warped.vrt reads."""
    raster(tmp_path / "image.tif", np.ones((4, 5)))
    raster(tmp_path / "image.tif.msk", np.ones((4, 5)))
    for name, source in (("one", "image.tif"), ("two", "one.vrt")):
        gdal.BuildVRT(str(tmp_path / f"{name}.vrt"), [str(tmp_path / source)]).FlushCache()
    gdal.Warp(str(tmp_path / "warped.vrt"), str(tmp_path / "two.vrt"), format="VRT", width=2, height=2).FlushCache()
    return tmp_path


def names(dataset: gdal.Dataset) -> set[str]:
    return {os.path.basename(path) for path in files_behind(dataset)}


def test_sources_of_sources(nested: Path) -> None:
    expected = {"image.tif", "image.tif.msk", "one.vrt", "two.vrt"}
    assert names(gdal.Open(str(nested / "two.vrt"))) == expected
    assert names(gdal.Open(str(nested / "warped.vrt"))) == {*expected, "warped.vrt"}
    xml = (nested / "two.vrt").read_text().replace('relativeToVRT="1">one', f'relativeToVRT="0">{nested}/one')
    assert names(gdal.Open(xml)) == expected - {"two.vrt"}
    assert names(gdal.Open(f"vrt://{nested}/two.vrt?bands=1")) == expected


@pytest.mark.parametrize("exceptions", [False, True])
def test_sources_that_are_not_there_or_on_a_server(nested: Path, exceptions: bool) -> None:
    """Servers are not asked, whatever GDAL's bindings do with errors."""
    text = (nested / "one.vrt").read_text()
    before = gdal.GetUseExceptions()
    with RangeServer() as server:
        for number, source in enumerate(
            (f"/vsicurl/{server.address('/far.vrt')}", f"vrt://{server.address('/x')}", "none.vrt")
        ):
            (nested / f"{number}.vrt").write_text(text.replace("image.tif", source))
            text_of_two = (nested / "two.vrt").read_text().replace("one.vrt", f"{number}.vrt")
            view = gdal.Open(text_of_two.replace('relativeToVRT="1">', f'relativeToVRT="0">{nested}/'))
            (gdal.UseExceptions if exceptions else gdal.DontUseExceptions)()
            try:
                found = names(view)
            finally:
                (gdal.UseExceptions if before else gdal.DontUseExceptions)()
            assert f"{number}.vrt" in found and "image.tif" not in found
        assert not server.asked


def test_a_circle_ends(nested: Path) -> None:
    text = (nested / "one.vrt").read_text()
    (nested / "one.vrt").write_text(text.replace("image.tif", "two.vrt"))
    assert names(gdal.Open(str(nested / "two.vrt"))) == {"one.vrt", "two.vrt"}


def test_texts_tell_how_sources_are_read_but_not_where_they_are(nested: Path) -> None:
    def texts(ratio: int) -> list[str]:
        image = str(nested / "image.tif")
        view = gdal.Translate("", image, format="VRT", scaleParams=[[0, 1, 0, ratio]])
        return Behind(view).texts(os.path.basename)

    assert texts(5) == texts(5) != texts(2)
    assert str(nested) not in texts(5)[0] and "<SourceFilename>image.tif</" in texts(5)[0]
