"""What a user names relative to the current folder, as another process in another folder must be told it."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

from otbtf_qgis.core import registry
from otbtf_qgis.core.parameters.parsing import absolute_values
from otbtf_qgis.core.parameters.relativepaths import absolute_path, absolute_source

FILES = ("a.tif", "sub/b c.tif", "layers.gpkg", "NETCDF", "1", "image", "with:colon.tif", "what?.tif")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return f"{tmp_path}{os.sep}"


@pytest.mark.parametrize(
    ("source", "absolute"),
    [
        ("a.tif", "{}a.tif"),
        ("./a.tif", "{}a.tif"),
        ("sub/../a.tif", "{}sub/../a.tif"),
        ("sub/b c.tif", "{}sub/b c.tif"),
        ("missing.tif", "{}missing.tif"),
        ("with:colon.tif", "{}with:colon.tif"),
        ("what?.tif", "{}what?.tif"),
        ("layers.gpkg|layername=a.tif", "{}layers.gpkg|layername=a.tif"),
        ("a.tif|option:NUM_THREADS=1", "{}a.tif|option:NUM_THREADS=1"),
        ("GPKG:layers.gpkg:image", "GPKG:{}layers.gpkg:image"),
        ('NETCDF:"sub/b c.tif":image', 'NETCDF:"{}sub/b c.tif":image'),
        ("GTIFF_DIR:1:a.tif", "GTIFF_DIR:1:{}a.tif"),
        ("DERIVED_SUBDATASET:AMPLITUDE:a.tif", "DERIVED_SUBDATASET:AMPLITUDE:{}a.tif"),
        ("vrt://a.tif?bands=1", "vrt://{}a.tif?bands=1"),
        ("/vsizip/sub/b c.tif/image", "/vsizip/{}sub/b c.tif/image"),
        ("/vsizip//vsigzip/a.tif/1", "/vsizip//vsigzip/{}a.tif/1"),
        ("a.tif?&bands=1", "{}a.tif?&bands=1"),
        (
            '<VRTDataset><SourceFilename relativeToVRT="1">a.tif</SourceFilename><X>a.tif</X></VRTDataset>',
            '<VRTDataset><SourceFilename relativeToVRT="1">{}a.tif</SourceFilename><X>a.tif</X></VRTDataset>',
        ),
        ("/data/a.tif", "/data/a.tif"),
        ("NETCDF:/data/a.tif:image", None),
        ("/vsimem/a.tif", "/vsimem/a.tif"),
        ("https://host/a.tif?x=1", "https://host/a.tif?x=1"),
        ("/vsicurl/https://host/a.tif", "/vsicurl/https://host/a.tif"),
        ("PG:dbname=maps table=t", "PG:dbname=maps table=t"),
    ],
)
def test_sources(here: str, source: str, absolute: str | None) -> None:
    if absolute is None:  # what is absolute and there already stays, whatever else is called as a part of it
        Path(f"{here}c.nc").touch()
        source = absolute = f"NETCDF:{here}c.nc:image"
    assert absolute_source(source) == absolute.format(here)


@pytest.mark.parametrize("path", ["new/model", "new/model/", "./model", "model"])
def test_outputs(here: str, path: str) -> None:
    assert absolute_path(path) == here + path.removeprefix("./")


def test_values(here: str) -> None:
    operation = registry.declaration("TensorflowModelServe")
    values = {
        "source1.il": ["a.tif", {"path": "sub/b c.tif", "crs": "a.tif"}],
        "source2.il": ("a.tif",),
        "model.dir": "models/net",
        "out": "map.tif",
        "out.format": "image",
        "output.names": "image",
        "optim.tilesizex": 1,
        "memory": None,
    }
    assert absolute_values(operation, values) == {
        **values,
        "source1.il": [f"{here}a.tif", {"path": f"{here}sub/b c.tif", "crs": "a.tif"}],
        "source2.il": [f"{here}a.tif"],
        "model.dir": f"{here}models/net",
        "out": f"{here}map.tif",
    }


@pytest.mark.parametrize(
    ("cluster", "absolute"),
    [
        (" sub/scheduler.json ", "{}sub/scheduler.json"),
        ("/data/scheduler.json", "/data/scheduler.json"),
        ("local:2", "local:2"),
        ("tcp://host:8786", "tcp://host:8786"),
        ("", ""),
    ],
)
def test_the_file_of_a_scheduler(here: str, cluster: str, absolute: str) -> None:
    values = {"cluster": cluster, "cluster.tls": "tls/own"}
    for name in ("TensorflowModelServe", "RunTable"):
        found = absolute_values(registry.declaration(name), values)
        assert found == {"cluster": absolute.format(here), "cluster.tls": f"{here}tls/own"}


def test_a_model_s_bare_name_is_a_file_only_where_there_is_one(here: str) -> None:
    operation = registry.declaration("TensorflowModelTrain")
    for name in ("cnn16", "template:cnn16"):
        assert absolute_values(operation, {"model.dir": name}) == {"model.dir": name}
    Path(f"{here}cnn16").mkdir()
    assert absolute_values(operation, {"model.dir": "cnn16"}) == {"model.dir": f"{here}cnn16"}
    assert absolute_values(operation, {"model.dir": "template:cnn16"}) == {"model.dir": "template:cnn16"}


def test_every_kind_is_opened_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GDAL opens from another folder what it opens from this one: the same pixels."""
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.chdir(data)
    pixels = np.arange(12, dtype="uint8").reshape(3, 4)
    for name, driver in (("a.tif", "GTiff"), ("b.nc", "netCDF"), ("c.gpkg", "GPKG")):
        made = gdal.GetDriverByName(driver).Create(name, 4, 3, 1, gdal.GDT_Byte)
        made.SetGeoTransform((0, 1, 0, 3, 0, -1))
        made.WriteRaster(0, 0, 4, 3, pixels.tobytes())
        made = None
    with zipfile.ZipFile("d.zip", "w") as archive:
        archive.write("a.tif", "inner/a.tif")
    sources = (
        "a.tif",
        'NETCDF:"b.nc":Band1',
        "NETCDF:b.nc:Band1",
        "GPKG:c.gpkg:c",
        "GTIFF_DIR:1:a.tif",
        "/vsizip/d.zip/inner/a.tif",
        "/vsizip/{d.zip}/inner/a.tif",
    )

    def checksum(source: str) -> int:
        dataset = gdal.Open(source)
        return dataset.GetRasterBand(1).Checksum()

    there = {source: checksum(source) for source in sources}
    absolute = {source: absolute_source(source) for source in sources}
    monkeypatch.chdir("/")
    assert {source: checksum(absolute[source]) for source in sources} == there
