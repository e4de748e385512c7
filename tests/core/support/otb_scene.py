"""A small image, a mask and training layers of all types: made the same way for OTB's record and for our tests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from osgeo import gdal, ogr, osr

WIDTH, HEIGHT = 56, 32  # OTB makes two tiles of it: columns 0 to 47, and the rest
ORIGIN_X, ORIGIN_Y, SPACING = 500_000.0, 4_800_000.0, 10.0
Place = tuple[float, float]
"""Column and row coordinates in pixels, from the outer upper left corner."""

BY_CLASS = "# class, samples\n1;20\n2 ; 400\n3;25\n4;6\n12;1000\n8;1\n"
"""What the strategy byclass gets."""

LAYERS = ("polygons", "lines", "points")

SELECTIONS: dict[str, dict[str, str]] = {
    "smallest": {},
    "constant": {"strategy": "constant", "strategy.constant.nb": "13"},
    "constant_too_many": {"strategy": "constant", "strategy.constant.nb": "90"},
    "percent": {"strategy": "percent"},
    "percent_small": {"strategy": "percent", "strategy.percent.p": "0.07"},
    "total": {"strategy": "total", "strategy.total.v": "111"},
    "total_too_many": {"strategy": "total", "strategy.total.v": "3333"},
    "all": {"strategy": "all"},
    "byclass": {"strategy": "byclass", "strategy.byclass.in": "byclass.csv"},
    "random": {"strategy": "total", "strategy.total.v": "111", "sampler": "random", "rand": "5"},
    "jitter": {"strategy": "constant", "strategy.constant.nb": "13", "sampler.periodic.jitter": "3", "rand": "5"},
}
"""Parameters of SampleSelection by the name of the case."""


def make(folder: Path) -> None:
    """Write image.tif, mask.tif, byclass.csv and a GeoPackage per training layer into `folder`."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    _raster(folder / "image.tif", [(columns * 7 + rows * 13) % 101, columns - rows], gdal.GDT_Int16)
    _raster(folder / "mask.tif", [((columns + 2 * rows) % 5 != 0) * 7], gdal.GDT_Byte)
    (folder / "byclass.csv").write_text(BY_CLASS, encoding="utf-8")
    random = np.random.default_rng(1)
    _layer(folder / "polygons.gpkg", _polygons(random))
    _layer(folder / "lines.gpkg", _lines(random))
    _layer(folder / "points.gpkg", _points(random))


def system() -> osr.SpatialReference:
    """Return the scene's coordinate system."""
    found = osr.SpatialReference()
    found.ImportFromEPSG(32631)
    return found


def _raster(path: Path, bands: list[np.ndarray], kind: int) -> None:
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), WIDTH, HEIGHT, len(bands), kind)
    dataset.SetProjection(system().ExportToWkt())
    dataset.SetGeoTransform((ORIGIN_X, SPACING, 0, ORIGIN_Y, 0, -SPACING))
    for number, band in enumerate(bands, 1):
        dataset.GetRasterBand(number).WriteArray(band)


def _layer(path: Path, features: Iterable[tuple[int, str]]) -> None:
    dataset = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    layer = dataset.CreateLayer(path.stem, system(), ogr.wkbUnknown)
    layer.CreateField(ogr.FieldDefn("class", ogr.OFTInteger))
    layer.CreateField(ogr.FieldDefn("name", ogr.OFTString))
    layer.CreateField(ogr.FieldDefn("weight", ogr.OFTReal))
    for number, (label, wkt) in enumerate(features):
        feature = ogr.Feature(layer.GetLayerDefn())
        feature["class"], feature["name"], feature["weight"] = label, f"crop & <{label}>", number / 4
        feature.SetGeometry(ogr.CreateGeometryFromWkt(wkt))
        layer.CreateFeature(feature)


def _text(places: Iterable[Place]) -> str:
    return ",".join(f"{ORIGIN_X + SPACING * column!r} {ORIGIN_Y - SPACING * row!r}" for column, row in places)


def polygon(*rings: list[Place]) -> str:
    """Return a polygon as WKT."""
    return "POLYGON(" + ",".join(f"({_text([*ring, ring[0]])})" for ring in rings) + ")"


def line(*places: Place) -> str:
    """Return a line as WKT."""
    return f"LINESTRING({_text(places)})"


def point(column: float, row: float) -> str:
    """Return a point as WKT."""
    return f"POINT({_text([(column, row)])})"


def _box(left: float, top: float, right: float, bottom: float) -> list[Place]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _polygons(random: np.random.Generator) -> list[tuple[int, str]]:
    found = []
    for _ in range(14):
        column, row = random.uniform(0, WIDTH), random.uniform(0, HEIGHT)
        angles = np.sort(random.uniform(0, 2 * np.pi, random.integers(3, 9)))
        radii = random.uniform(1, 7, len(angles))
        star = [(float(column + r * np.cos(a)), float(row + r * np.sin(a))) for a, r in zip(angles, radii)]
        found.append((int(random.integers(1, 5)), polygon(star)))
    parts = (polygon(_box(26, 2, 32, 6))[7:], polygon(_box(29, 4, 36, 9))[7:])
    return [
        *found,
        (3, polygon(_box(5, 5, 17, 15), _box(8, 8, 12, 11))),  # a hole
        (12, polygon(_box(10.5, 10.5, 16.5, 15.5))),  # edges through the centres of pixels
        (12, polygon(_box(22.5, 10.5, 26.5, 17.5)[::-1])),
        (12, polygon([(22.5, 18.5), (30.5, 26.5), (22.5, 26.5)])),
        (12, polygon(_box(3, 20, 15, 29), _box(6.5, 22.5, 11.5, 26.5))),
        (8, polygon([(1.1, 1.1), (1.2, 1.1), (1.2, 1.2)])),  # too small for any centre
        (9, polygon([(100, 100), (110, 100), (110, 110)])),  # outside
        (2, f"MULTIPOLYGON({','.join(parts)})"),
    ]


def _lines(random: np.random.Generator) -> list[tuple[int, str]]:
    found = []
    for _ in range(7):
        count = random.integers(2, 6)
        found.append(
            (int(random.integers(1, 4)), line(*random.uniform(-3, (WIDTH + 3, HEIGHT + 3), (count, 2)).tolist()))
        )
    several = [line((5, 5), (9, 9)), line((5, 9), (9, 5)), line((5, 25), (5, 29)), line((2.5, 20.5), (8.5, 30.5))]
    several = [text[10:] for text in several]
    return [
        *found,
        (5, line((10, 10), (10, 20))),  # between two columns
        (5, line((10, 12), (20, 12))),
        (5, line((10, 20), (20, 30))),  # through corners
        (5, line((10, 30), (20, 20))),
        (5, line((20.5, 20.5), (30.5, 20.5))),
        (6, f"MULTILINESTRING({','.join(several[:2])})"),
        (6, f"MULTILINESTRING({','.join(several[2:])})"),
        (6, line((-5, 0), (WIDTH + 10, 0))),  # along the edges of the image
        (6, line((WIDTH, 5), (WIDTH, 9))),
    ]


def _points(random: np.random.Generator) -> list[tuple[int, str]]:
    places = random.uniform(-3, (WIDTH + 3, HEIGHT + 3), (50, 2)).tolist()
    found = [(int(random.integers(1, 4)), point(*place)) for place in places]
    corners = [(10, 10), (0, 0), (WIDTH, HEIGHT), (WIDTH, 10), (10.5, 10.5)]
    several = f"MULTIPOINT({_text([(3, 3), (3.2, 3.2), (20.7, 7)])})"
    return [*found, *((4, point(*corner)) for corner in corners), (5, several)]


AUGMENTED_LABEL = 2
AUGMENTED_FEATURES = ("blue", "red", "count")
AUGMENTED_NEIGHBORS = 4

AUGMENTATIONS: dict[str, dict[str, str]] = {
    "replicate": {"samples": "57"},
    "fewer": {"samples": "9"},
    "jitter": {"samples": "2000", "strategy": "jitter", "strategy.jitter.stdfactor": "4", "seed": "3"},
    "smote": {
        "samples": "2000",
        "strategy": "smote",
        "strategy.smote.neighbors": str(AUGMENTED_NEIGHBORS),
        "seed": "3",
    },
}
"""Parameters of SampleAugmentation by the name of the case."""


def make_samples(folder: Path) -> None:
    """Write samples.gpkg: 60 points of three classes, 25 of them of AUGMENTED_LABEL, with features of three kinds."""
    random = np.random.default_rng(7)
    dataset = ogr.GetDriverByName("GPKG").CreateDataSource(str(folder / "samples.gpkg"))
    layer = dataset.CreateLayer("samples", system(), ogr.wkbPoint)
    for name, kind in (
        ("blue", ogr.OFTReal),
        ("name", ogr.OFTString),
        ("class", ogr.OFTInteger),
        ("originfid", ogr.OFTInteger),
        ("red", ogr.OFTReal),
        ("count", ogr.OFTInteger),
    ):
        layer.CreateField(ogr.FieldDefn(name, kind))
    labels = np.resize([1, 2, 3, 2, 1, 3, 2, 3, 1, 2, 3, 1], 60)
    labels[[4, 8, 16, 20, 28]] = AUGMENTED_LABEL
    for number, label in enumerate(labels.tolist()):
        feature = ogr.Feature(layer.GetLayerDefn())
        feature["blue"], feature["red"] = random.normal(100, 20), random.uniform(-3, 1)
        feature["name"], feature["class"] = f"sample {number}", label
        feature["originfid"], feature["count"] = 1000 + number, int(random.integers(200, 900))
        place = random.uniform(0, (WIDTH, HEIGHT)).tolist()
        feature.SetGeometry(ogr.CreateGeometryFromWkt(point(*place)))
        layer.CreateFeature(feature)
