"""DetectObjects with GEOMETRY: outlines of objects from their masks, and their centres."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import detectors
import numpy as np
import pytest
from osgeo import gdal, ogr
from serving import ORIGIN, Log

from otbtf_qgis.core import registry

pytest.importorskip("tensorflow")

SIZE = 400


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """An image of discs of up to 47 pixels, their edges, and a detector that finds each with its mask."""
    folder = tmp_path_factory.mktemp("drawn")
    image, edges = detectors.drawn_discs(SIZE, 60, (4, 23))
    return SimpleNamespace(
        image=image,
        edges=edges,
        path=detectors.scene(folder / "image.tif", image),
        model=detectors.segments_detector(folder, masks=True),
    )


def run(folder: Path, image: str, model: str, out: str = "out.gpkg", **values: Any) -> SimpleNamespace:
    log = values.pop("log", None) or Log()
    given = {"il": [image], "model.dir": model, "out": str(folder / out), "geometry": "outlines", **values}
    results = registry.run("DetectObjects", given, log)
    dataset = ogr.Open(results["out"])
    layer = dataset.GetLayer(0)
    kind = ogr.GeometryTypeToName(layer.GetGeomType())
    features = [{**feature.items(), "shape": feature.GetGeometryRef().Clone()} for feature in layer]
    return SimpleNamespace(features=features, results=results, log=log, kind=kind)


def pixels_of(shape: Any, size: int = SIZE) -> np.ndarray:
    """Return which pixels of a scene have their centre in a shape, as GDAL burns it."""
    target = gdal.GetDriverByName("MEM").Create("", size, size, 1, gdal.GDT_Byte)
    target.SetGeoTransform(ORIGIN)
    memory = ogr.GetDriverByName("Memory").CreateDataSource("")
    layer = memory.CreateLayer("shape")
    feature = ogr.Feature(layer.GetLayerDefn())
    feature.SetGeometry(shape)
    layer.CreateFeature(feature)
    gdal.RasterizeLayer(target, [1], layer, burn_values=[1])
    return target.ReadAsArray() == 1


@pytest.mark.parametrize(("tile", "overlap"), [(96, 48), (416, 48)])
def test_each_outline_has_the_pixels_of_its_object_whatever_the_tiles(
    tile: int, overlap: int, drawn: SimpleNamespace, tmp_path: Path
) -> None:
    found = run(tmp_path, drawn.path, drawn.model, tilesize=tile, overlap=overlap)
    assert found.kind == "Multi Polygon"
    assert found.log.warnings == []
    numbers = drawn.image[..., 0]
    seen = []
    for feature in found.features:
        inside = pixels_of(feature["shape"])
        (number,) = np.unique(numbers[inside])
        np.testing.assert_array_equal(inside, numbers == number)
        assert feature["pixels"] == inside.sum()
        assert feature["area_m2"] == pytest.approx(100 * inside.sum(), rel=2e-3)  # UTM's scale
        assert feature["shape"].GetArea() == pytest.approx(100 * inside.sum())
        assert feature["class"] == 1 + number % 3
        seen.append(int(number))
    assert sorted(seen) == sorted(drawn.edges)
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".gpkg" or path.is_dir()] == ["out.gpkg"]
