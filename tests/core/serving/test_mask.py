"""A mask limits the map: polygons, or a raster on any grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serving
from osgeo import gdal, ogr, osr

pytest.importorskip("tensorflow")

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import OtbtfError, ParameterError
from otbtf_qgis.core.geometry.grid import Box
from otbtf_qgis.core.rasters.rasterstack import Stack
from otbtf_qgis.core.samples import mapmask
from otbtf_qgis.core.samples.mapmask import PolygonMask, RasterMask

WIDTH, HEIGHT = 70, 50
LEFT, TOP = serving.ORIGIN[0], serving.ORIGIN[3]
CORNERS = np.array([(12.3, 4.1), (61.7, 13.2), (40.4, 44.8), (8.6, 30.9)])
"""Columns and rows of a quadrilateral."""


def system(epsg: int) -> osr.SpatialReference:
    found = osr.SpatialReference()
    found.ImportFromEPSG(epsg)
    found.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return found


def polygons(path: Path, *shapes: np.ndarray, epsg: int = serving.UTM, driver: str = "GPKG") -> str:
    """Write quadrilaterals of columns and rows, each with its holes, in a coordinate system."""
    dataset = ogr.GetDriverByName(driver).CreateDataSource(str(path))
    layer = dataset.CreateLayer("mask", system(epsg))
    for shape in shapes:
        rings = [
            ",".join(f"{LEFT + 10 * c} {TOP - 10 * r}" for c, r in [*ring, ring[0]]) for ring in shape.reshape(-1, 4, 2)
        ]
        geometry = ogr.CreateGeometryFromWkt(f"POLYGON(({'),('.join(rings)}))")
        geometry.Transform(osr.CoordinateTransformation(system(serving.UTM), system(epsg)))
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetGeometry(geometry)
        layer.CreateFeature(feature)
    del dataset
    return str(path)


def centres() -> tuple[np.ndarray, np.ndarray]:
    return np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)


def quadrilateral() -> np.ndarray:
    """Where the centres of pixels lie to the right of each edge."""
    x, y = centres()
    found = np.ones((HEIGHT, WIDTH), bool)
    for (x1, y1), (x2, y2) in zip(CORNERS, np.roll(CORNERS, -1, axis=0)):
        found &= (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1) > 0
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    serving.write(folder / "image.tif", serving.noise(HEIGHT, WIDTH, 2, "float32"))
    serving.pixelwise(folder / "net", lambda x: x + 3.0, 2)
    polygons(folder / "mask.gpkg", CORNERS)
    return folder


def run(folder: Path, place: Path, **values: Any) -> dict[str, Any]:
    keys = {"mask_vector": "mask.vector"}
    given = {"source1.il": [str(folder / "image.tif")], "model.dir": str(folder / "net"), "out": str(place / "map.tif")}
    more = {keys.get(name, name.replace("__", ".")): value for name, value in values.items()}
    return serving.registry.run("TensorflowModelServe", {**given, **more}, serving.Log())


def opened(folder: Path) -> Stack:
    return Stack([str(folder / "image.tif")])


def polygon_mask(folder: Path, path: str) -> PolygonMask:
    image = opened(folder)
    return PolygonMask(path, image.grid, image.reference, "the image", Progress())


def raster_mask(folder: Path, path: str) -> RasterMask:
    image = opened(folder)
    return RasterMask(path, image.grid, image.reference, "the image")


def in_windows(mask: Any) -> np.ndarray:
    """Read a mask window by window."""
    found = np.zeros((HEIGHT, WIDTH), bool)
    for y in range(0, HEIGHT, 13):
        for x in range(0, WIDTH, 17):
            box = Box(x, y, min(17, WIDTH - x), min(13, HEIGHT - y))
            found[y : box.bottom, x : box.right] = mask.inside(box)
    return found


@pytest.mark.parametrize("epsg", [serving.UTM, 4326, 3857])
@pytest.mark.parametrize("kept", [10**6, 0])
def test_polygons(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epsg: int, kept: int) -> None:
    """In memory, and read again window by window."""
    monkeypatch.setattr(mapmask, "_KEPT", kept)
    mask = polygon_mask(folder, polygons(tmp_path / "mask.gpkg", CORNERS, epsg=epsg))
    np.testing.assert_array_equal(in_windows(mask), quadrilateral())


def test_polygons_as_gdal_rasterizes_them(folder: Path, tmp_path: Path) -> None:
    """Several that overlap, one with a hole, one partly and one wholly outside of the image."""
    hole = np.array([(20.2, 12.4), (30.3, 12.4), (30.3, 25.6), (20.2, 25.6)])
    others = [CORNERS / 3 + 0.1, CORNERS + (41.3, 22.2), CORNERS - 500]
    path = polygons(tmp_path / "mask.gpkg", np.stack([CORNERS, hole]), *others)
    target = gdal.GetDriverByName("MEM").Create("", WIDTH, HEIGHT, 1, gdal.GDT_Byte)
    target.SetGeoTransform(serving.ORIGIN)
    target.SetProjection(system(serving.UTM).ExportToWkt())
    source = ogr.Open(path)
    gdal.RasterizeLayer(target, [1], source.GetLayer(0), burn_values=[1])
    np.testing.assert_array_equal(in_windows(polygon_mask(folder, path)), target.ReadAsArray() == 1)


def test_a_raster_of_the_same_grid(folder: Path, tmp_path: Path) -> None:
    pixels = serving.noise(HEIGHT, WIDTH, 1, "int16") % 3 - 1
    path = serving.write(tmp_path / "mask.tif", pixels, nodata=-1)
    np.testing.assert_array_equal(in_windows(raster_mask(folder, path)), pixels[..., 0] == 1)


def test_a_raster_of_another_grid(folder: Path, tmp_path: Path) -> None:
    """Coarser, smaller, and shifted by a part of a pixel: the pixel that holds the centre counts."""
    pixels = serving.noise(9, 11, 1, "float32")
    pixels[pixels < 0.3], pixels[0, 0] = 0, np.nan
    path = serving.write(tmp_path / "mask.tif", pixels, (LEFT + 33, 37.0, 0, TOP - 41, 0, -37.0))
    x, y = centres()
    columns, rows = np.floor((10 * x - 33) / 37).astype(int), np.floor((10 * y - 41) / 37).astype(int)
    within = (columns >= 0) & (columns < 11) & (rows >= 0) & (rows < 9)
    values = pixels[rows.clip(0, 8), columns.clip(0, 10), 0]
    np.testing.assert_array_equal(in_windows(raster_mask(folder, path)), within & (values > 0))


def test_a_raster_of_another_coordinate_system(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As GDAL's warper brings it to the grid, whatever is read at a time."""
    monkeypatch.setattr(mapmask, "_WINDOW", 50)
    monkeypatch.setattr(mapmask, "_LOCATED", 40)
    pixels = (serving.noise(90, 90, 1, "uint8") % 2).astype("uint8")
    mercator = osr.CoordinateTransformation(system(serving.UTM), system(3857)).TransformPoint(LEFT, TOP)
    path = serving.write(tmp_path / "mask.tif", pixels, (mercator[0] - 50, 12.0, 0, mercator[1] + 60, 0, -12.0), 3857)
    bounds = (LEFT, TOP - 10 * HEIGHT, LEFT + 10 * WIDTH, TOP)
    moved = gdal.Warp(
        "",
        path,
        format="MEM",
        outputBounds=bounds,
        width=WIDTH,
        height=HEIGHT,
        dstSRS=f"EPSG:{serving.UTM}",
        errorThreshold=0,
    )
    np.testing.assert_array_equal(in_windows(raster_mask(folder, path)), moved.ReadAsArray() == 1)


@pytest.mark.parametrize("kind", ["mask", "mask_vector"])
def test_the_map(folder: Path, tmp_path: Path, kind: str) -> None:
    inside = quadrilateral()
    raster = serving.write(tmp_path / "mask.tif", inside[..., None].astype("uint8"))
    given = {kind: raster if kind == "mask" else str(folder / "mask.gpkg")}
    found = run(folder, tmp_path, **given, output__bv=-5)
    expected = np.where(inside[..., None], serving.read(folder / "image.tif") + 3, np.float32(-5))
    np.testing.assert_array_equal(serving.read(tmp_path / "map.tif"), expected)
    assert serving.nodata_of(tmp_path / "map.tif") == -5
    assert found["pixels_nodata"] == (~inside).sum()


def test_parts_keep_to_it(folder: Path, tmp_path: Path) -> None:
    given = {"out": str(tmp_path / "map.vrt"), "mask_vector": str(folder / "mask.gpkg")}
    run(folder, tmp_path, part="0/2", **given)
    other = polygons(tmp_path / "other.gpkg", CORNERS + 1)
    with pytest.raises(ParameterError, match=r"MASK_VECTOR \(there sha256:.*, here sha256:"):
        run(folder, tmp_path, part="1/2", **{**given, "mask_vector": other})
    with pytest.raises(ParameterError, match=r"MASK_VECTOR \(there sha256:.*, here nothing\)"):
        run(folder, tmp_path, part="1/2", out=given["out"])
    same = polygons(tmp_path / "same.gpkg", CORNERS)
    assert run(folder, tmp_path, part="1/2", **{**given, "mask_vector": same})["parts.missing"] == 0
    found = serving.read(tmp_path / "map.vrt")
    np.testing.assert_array_equal(found[..., 0] != 0, quadrilateral())


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"mask": "image.tif", "mask_vector": "mask.gpkg"}, "MASK and MASK_VECTOR are both given"),
        ({"mask": "image.tif"}, "MASK is .*image.tif, which has 2 bands, but must have one"),
        ({"mask": "far.tif"}, "MASK is .*far.tif, which does not meet .*image.tif"),
        (
            {"mask_vector": "far.gpkg"},
            "MASK_VECTOR is the layer mask of .*far.gpkg, of which no polygon meets .*image.tif",
        ),
        ({"mask_vector": "points.gpkg"}, "MASK_VECTOR is the layer mask of .*points.gpkg, which holds points or lines"),
    ],
)
def test_refused(folder: Path, tmp_path: Path, values: dict[str, str], told: str) -> None:
    serving.write(tmp_path / "far.tif", np.ones((5, 5, 1), "uint8"), (LEFT + 5000, 10.0, 0, TOP, 0, -10.0))
    polygons(tmp_path / "far.gpkg", CORNERS + 900)
    dataset = ogr.GetDriverByName("GPKG").CreateDataSource(str(tmp_path / "points.gpkg"))
    layer = dataset.CreateLayer("mask", system(serving.UTM))
    feature = ogr.Feature(layer.GetLayerDefn())
    feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POINT({LEFT + 50} {TOP - 50})"))
    layer.CreateFeature(feature)
    del layer, dataset
    paths = {key: str((folder if (folder / name).exists() else tmp_path) / name) for key, name in values.items()}
    with pytest.raises(OtbtfError, match=told):
        run(folder, tmp_path, **paths)
    assert not (tmp_path / "map.tif").exists() and serving.hidden(tmp_path) == []
