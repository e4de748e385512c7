"""Advice about an output names the parameters that the operation has, and no others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import OtbtfError
from otbtf_qgis.core.operations.patchesextraction import PatchesExtraction
from otbtf_qgis.core.parameters.mentions import key_at
from otbtf_qgis.core.rasters.outputfields import OutputFields, either


@pytest.fixture
def image(tmp_path: Path) -> str:
    path = str(tmp_path / "image.tif")
    dataset = gdal.GetDriverByName("GTiff").Create(path, 8, 8, 1, gdal.GDT_Float64)
    dataset.SetGeoTransform((0, 1, 0, 8, 0, -1))
    dataset.GetRasterBand(1).WriteArray(np.arange(64.0).reshape(8, 8))
    del dataset
    return path


def test_another_output_is_advised_by_what_there_is() -> None:
    assert OutputFields().other_output() == "Choose another format, such as .tif."
    assert OutputFields(options="A").other_output() == (
        "Choose another format, such as .tif or other creation options (A)."
    )
    assert OutputFields("B", "A").other_output() == (
        "Choose another format, such as .tif, another pixel type (B) or other creation options (A)."
    )


def test_what_there_is_no_parameter_for_is_not_advised() -> None:
    assert either("choose lossless options", "A", "choose another format") == (
        "choose lossless options (A), or choose another format"
    )
    assert either("choose lossless options", OutputFields().options, "choose another format") == "choose another format"


def test_a_pixel_type_that_the_format_does_not_hold(tmp_path: Path, image: str) -> None:
    with pytest.raises(OtbtfError, match=r"choose the pixel type uint8 or uint16 \(OUT_PIXELTYPE\), or") as found:
        registry.run("ExtractROI", {"in": image, "out": str(tmp_path / "a.png")})
    assert found.value.fields == ("=out.pixeltype",)


def test_patches_name_the_parameters_of_their_source(tmp_path: Path, image: str) -> None:
    points = str(tmp_path / "points.geojson")
    Path(points).write_text(
        '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"class": 1},'
        ' "geometry": {"type": "Point", "coordinates": [4.2, 4.2]}}]}'
    )
    given = {"source1.il": image, "source1.patchsizex": 2, "source1.patchsizey": 2, "vec": points, "field": "class"}
    with pytest.raises(OtbtfError) as found:
        registry.run("PatchesExtraction", {**given, "source1.out": str(tmp_path / "a.png")})
    assert "choose the pixel type uint8 or uint16 (SOURCE1_OUT_PIXELTYPE), or" in str(found.value)
    outputs = {"source1.out": str(tmp_path / "a.tif"), "outlabels": str(tmp_path / "b.tif")}
    with pytest.raises(OtbtfError, match=r"^SOURCE1_OUT_CO holds 'TILED'"):
        registry.run("PatchesExtraction", {**given, **outputs, "source1.out.co": "TILED"})
    with pytest.raises(OtbtfError, match=r"^OUTLABELS_CO holds 'TILED'"):
        registry.run("PatchesExtraction", {**given, **outputs, "outlabels.co": "TILED"})
    assert key_at("out_co", PatchesExtraction) is None


def test_an_operation_without_a_choice_of_driver_does_not_advise_one(tmp_path: Path, image: str) -> None:
    for name, values, advice in (
        ("PatchesMosaic", {"in": image, "out": str(tmp_path / "a.xyz1")}, "choose one such as .tif."),
        (
            "ExtractROI",
            {"in": image, "out": str(tmp_path / "a.xyz1")},
            "name the driver (OUT_FORMAT), or choose one such as .tif.",
        ),
    ):
        with pytest.raises(OtbtfError) as found:
            registry.run(name, values)
        assert str(found.value).endswith(f"a.xyz1: {advice}")
