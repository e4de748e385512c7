"""What QGIS shows of a raster layer goes into the request: its CRS, its no-data, its open options."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal, osr
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsProcessingContext,
    QgsProject,
    QgsRasterLayer,
    QgsRasterRange,
)

from otbtf_qgis.algorithms.reading import Reader, written
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.parameters.parsing import keys
from otbtf_qgis.provider import OtbtfProvider

Source = Callable[..., Any]
Bounds = QgsRasterRange.BoundsType


@pytest.fixture
def source(provider: OtbtfProvider, context: QgsProcessingContext) -> Source:
    """Returns how a run's request names an image."""

    def source(layer: Any, algorithm: str = "sampleextraction") -> Any:
        made = provider.algorithm(algorithm).create()
        key = "SOURCE1_IL" if algorithm == "tensorflowmodelserve" else "IN"
        reader = Reader(made, keys(made.OPERATION), {key: layer}, context)
        reader.inputs()  # as a check does
        found = written(reader.inputs(run=True), Progress())
        return found["source1.il"][0] if algorithm == "tensorflowmodelserve" else found["in"]

    return source


@pytest.fixture
def path(tmp_path: Path) -> str:
    return image(tmp_path / "image.tif")


def image(path: Any, epsg: int = 32654, bands: int = 2, nodata: float | None = 0, driver: str = "GTiff") -> str:
    made = gdal.GetDriverByName("GTiff").Create(str(path), 4, 3, bands, gdal.GDT_UInt16)
    made.SetGeoTransform((1000, 10, 0, 2000, 0, -10))
    if epsg:
        system = osr.SpatialReference()
        system.ImportFromEPSG(epsg)
        made.SetProjection(system.ExportToWkt())
    for band in range(1, bands + 1):
        made.GetRasterBand(band).WriteRaster(0, 0, 4, 3, np.arange(12, dtype="uint16").tobytes())
        if nodata is not None:
            made.GetRasterBand(band).SetNoDataValue(nodata)
    return str(path)


def test_a_plain_layer_is_its_path(source: Source, path: str) -> None:
    assert source(QgsRasterLayer(path, "a")) == path
    assert source(path) == source(Path(path)) == path
    assert source(QgsRasterLayer(image(f"{path}.none.tif", epsg=0, nodata=None), "a")) == f"{path}.none.tif"


@pytest.mark.parametrize("epsg", [32654, 0])
def test_an_assigned_crs(source: Source, tmp_path: Path, epsg: int) -> None:
    path = image(tmp_path / "a.tif", epsg)
    layer = QgsRasterLayer(path, "a")
    layer.setCrs(QgsCoordinateReferenceSystem("EPSG:32655"))
    assert source(layer) == {"path": path, "crs": "EPSG:32655"}


def test_a_crs_of_the_users_own(source: Source, path: str) -> None:
    layer = QgsRasterLayer(path, "a")
    layer.setCrs(QgsCoordinateReferenceSystem.fromProj("+proj=laea +lat_0=12 +lon_0=34 +datum=WGS84 +units=m"))
    system = osr.SpatialReference(source(layer)["crs"])
    assert system.GetProjParm("latitude_of_center") == 12


def test_the_crs_of_a_saved_project(source: Source, path: str, tmp_path: Path) -> None:
    """A layer read from a project has a CRS of its own, which is the file's where nobody has changed it."""
    project = QgsProject.instance()
    project.addMapLayer(QgsRasterLayer(path, "same"))
    other = QgsRasterLayer(path, "other")
    other.setCrs(QgsCoordinateReferenceSystem("EPSG:32655"))
    project.addMapLayer(other)
    assert project.write(str(tmp_path / "project.qgz"))
    project.clear()
    assert project.read(str(tmp_path / "project.qgz"))
    assert source("same") == path
    assert source("other") == {"path": path, "crs": "EPSG:32655"}
    project.clear()


def test_no_data_of_the_user(source: Source, path: str) -> None:
    layer = QgsRasterLayer(path, "a")
    one = QgsRasterRange(5, 7)
    half_open = [QgsRasterRange(5, 7, bounds) for bounds in (Bounds.IncludeMin, Bounds.IncludeMax, Bounds.Exclusive)]
    layer.dataProvider().setUserNoDataValue(1, [one])
    layer.dataProvider().setUserNoDataValue(2, [*half_open, QgsRasterRange(math.nan, 3), QgsRasterRange(9, math.nan)])
    above, below = 5.000000000000001, 6.999999999999999  # the next numbers that a double can hold
    second = [[5, below], [above, 7], [above, below], [-math.inf, 3], [9, math.inf]]
    assert source(layer) == {"path": path, "nodata": [[[5, 7]], second]}


def test_no_data_that_is_switched_off(source: Source, path: str) -> None:
    layer = QgsRasterLayer(path, "a")
    layer.dataProvider().setUseSourceNoDataValue(2, False)
    assert source(layer) == {"path": path, "use_source_nodata": [True, False]}


def test_everything_together(source: Source, path: str) -> None:
    layer = QgsRasterLayer(f"{path}|option:NUM_THREADS=2|option:IGNORE_COG_LAYOUT_BREAK=YES", "a")
    assert layer.isValid()
    layer.setCrs(QgsCoordinateReferenceSystem("EPSG:32655"))
    layer.dataProvider().setUserNoDataValue(1, [QgsRasterRange(11, 11)])
    assert source(layer) == {
        "path": path,
        "crs": "EPSG:32655",
        "nodata": [[[11, 11]], []],
        "open_options": ["NUM_THREADS=2", "IGNORE_COG_LAYOUT_BREAK=YES"],
    }


@pytest.mark.parametrize(
    ("text", "plain", "options"),
    [
        ("a.tif|option:OVERVIEW_LEVEL=0", "a.tif", ["OVERVIEW_LEVEL=0"]),
        ("GPKG:/a/b.gpkg:layer|option:ZOOM_LEVEL=3", "GPKG:/a/b.gpkg:layer", ["ZOOM_LEVEL=3"]),
        ('NETCDF:"/a/b.nc":t|option:A=1|option:B=2', 'NETCDF:"/a/b.nc":t', ["A=1", "B=2"]),
        ("/vsizip//a/b.zip/c.tif|option:A=1", "/vsizip//a/b.zip/c.tif", ["A=1"]),
        ("/vsis3/b/k.tif|option:A=1|credential:AWS_REGION=x", "/vsis3/b/k.tif", ["A=1"]),
    ],
)
def test_open_options(source: Source, text: str, plain: str, options: list[str]) -> None:
    assert source(text) == {"path": plain, "open_options": options}


def test_credentials_do_not_reach_the_engine(source: Source) -> None:
    text = "/vsis3/b/k.tif|credential:AWS_ACCESS_KEY_ID=abc|credential:AWS_SECRET_ACCESS_KEY=hidden"
    assert source(text) == "/vsis3/b/k.tif"  # QGIS has told GDAL of them in this process
    told = r"SOURCE1_IL, image 1, needs credentials .* \(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY\)"
    with pytest.raises(ParameterError, match=told) as caught:
        source([text], "tensorflowmodelserve")
    assert "hidden" not in str(caught.value)


def test_a_layer_in_a_geopackage(source: Source, path: str, tmp_path: Path) -> None:
    package = tmp_path / "b.gpkg"
    for name in ("first", "second"):
        options = [f"RASTER_TABLE={name}", *(["APPEND_SUBDATASET=YES"] if package.exists() else [])]
        gdal.Translate(
            str(package), image(tmp_path / "c.tif", bands=1), format="GPKG", outputType=1, creationOptions=options
        )
    layer = QgsRasterLayer(f"GPKG:{package}:second", "second")
    assert layer.isValid()
    assert source(layer) == f"GPKG:{package}:second"


def test_files_that_only_this_process_has(source: Source, path: str) -> None:
    memory = "/vsimem/otbtf_test_image.tif"
    gdal.FileFromMemBuffer(memory, Path(path).read_bytes())
    layer = QgsRasterLayer(memory, "a")
    layer.setCrs(QgsCoordinateReferenceSystem("EPSG:32655"))
    assert source(layer) == {"path": memory, "crs": "EPSG:32655"}  # read in this process
    found = source([layer], "tensorflowmodelserve")
    assert found["crs"] == "EPSG:32655"
    assert Path(found["path"]).read_bytes() == Path(path).read_bytes()
    plain = source([memory], "tensorflowmodelserve")
    assert Path(plain).read_bytes() == Path(path).read_bytes()
    gdal.Unlink(memory)


def test_in_a_group_under_an_odd_name(source: Source, path: str) -> None:
    layer = QgsRasterLayer(path, 'Bild "Süd" | 2; a=b')
    QgsProject.instance().addMapLayer(layer, False)
    QgsProject.instance().layerTreeRoot().addGroup("group").addLayer(layer)
    assert source('Bild "Süd" | 2; a=b') == source(layer.id()) == path
