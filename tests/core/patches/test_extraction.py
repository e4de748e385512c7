"""PatchesExtraction: which patches are cut, and what is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal, osr
from points import write_points
from serving import ORIGIN, Log, hidden, noise, read, write

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import Cancelled, OtbtfError
from otbtf_qgis.core.patches import cutting, extraction
from otbtf_qgis.core.patches.patchesimage import read_description
from otbtf_qgis.core.samples.bandstatistics import BandStatistics

COARSE = (300000.0, 20.0, 0.0, 4000000.0, 0.0, -20.0)


def scattered(count: int, seed: int = 0, width: int = 600, height: int = 500) -> list[tuple[float, float]]:
    """Places in and around an image of 60 x 50 pixels of 10 m, none on the edge of a pixel."""
    random = np.random.default_rng(seed)
    x, y = random.random(count) * (width + 80) - 40, random.random(count) * (height + 80) - 40
    return [(300000 + round(a) + 0.3, 4000000 - round(b) - 0.3) for a, b in zip(x, y)]


def expected(pixels: np.ndarray, places: list[tuple[float, float]], width: int, height: int, size: float) -> list:
    """Cut patches one by one; None where one does not fit."""
    cut = []
    for x, y in places:
        left, top = int((x - 300000) // size) - width // 2, int((4000000 - y) // size) - height // 2
        patch = pixels[max(top, 0) : top + height, max(left, 0) : left + width]
        fits = left >= 0 and top >= 0 and patch.shape[:2] == (height, width)
        cut.append(patch if fits else None)
    return cut


def extract(folder: Path, progress: Any = None, **values: Any) -> dict[str, Any]:
    """Run with `source1_il=` for source1.il, and outputs p1.tif and lab.tif unless given."""
    keys = {k if k in ("nodata_from_layer",) else k.replace("_", ".", 1): v for k, v in values.items()}
    given = {"source1.out": str(folder / "p1.tif"), "outlabels": str(folder / "lab.tif"), "field": "class", **keys}
    return registry.run("PatchesExtraction", given, progress)


def stacked(patches: np.ndarray, height: int) -> np.ndarray:
    return patches.reshape(-1, height, *patches.shape[1:])


@pytest.mark.parametrize("memory", [64, 0])
@pytest.mark.parametrize("window", [200, 32_000_000])
def test_two_sources_are_cut_at_the_same_points_in_feature_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: int, window: int
) -> None:
    monkeypatch.setattr(cutting, "_WINDOW", window)
    monkeypatch.setattr(cutting, "_CACHED", 1000)
    monkeypatch.setattr(cutting, "_PATCHES", 1000)
    monkeypatch.setattr(extraction, "_PART", 0.01)
    monkeypatch.setattr(extraction, "_MEMORY", memory)  # 0: through a file
    fine, more, coarse = noise(50, 60, 3, "uint16"), noise(50, 60, 1, "uint8", 1), noise(25, 30, 2, "float32", 2)
    images = [write(tmp_path / "a.tif", fine, options=["TILED=YES", "BLOCKXSIZE=16", "BLOCKYSIZE=32"])]
    images.append(write(tmp_path / "b.tif", more))
    places = scattered(300)
    points = write_points(tmp_path / "p.gpkg", places, **{"class": [n % 7 for n in range(300)]})
    results = extract(
        tmp_path,
        source1_il=images,
        source1_patchsizex=7,
        source1_patchsizey=4,
        source2_il=[write(tmp_path / "c.tif", coarse, COARSE)],
        source2_patchsizex=2,
        source2_patchsizey=3,
        source2_out=str(tmp_path / "p2.tif"),
        vec=points,
    )
    one = expected(np.concatenate([fine, more], axis=2), places, 7, 4, 10)
    two = expected(coarse, places, 2, 3, 20)
    kept = [n for n in range(300) if one[n] is not None and two[n] is not None]
    assert 100 < len(kept) < 300 and results["patches"] == len(kept) == 300 - results["rejected"]
    assert (stacked(read(tmp_path / "p1.tif"), 4) == [one[n] for n in kept]).all()
    assert (stacked(read(tmp_path / "p2.tif"), 3) == [two[n] for n in kept]).all()
    labels = read(tmp_path / "lab.tif")
    assert labels.shape == (len(kept), 1, 1) and labels.dtype == np.uint8
    assert labels.reshape(-1).tolist() == [n % 7 for n in kept]
    assert gdal.Open(str(tmp_path / "p1.tif")).GetProjection() == ""
    assert hidden(tmp_path) == []


def test_a_south_up_image_gives_the_same_patches(tmp_path: Path) -> None:
    pixels, places = noise(50, 60, 2), scattered(50)
    points = write_points(tmp_path / "p.gpkg", places, **{"class": [1] * 50})
    south_up = (300000.0, 10.0, 0.0, 3999500.0, 0.0, 10.0)
    found = []
    for name, image, transform in (("n", pixels, ORIGIN), ("s", pixels[::-1], south_up)):
        (tmp_path / name).mkdir()
        source = write(tmp_path / name / "im.tif", image, transform)
        extract(tmp_path / name, source1_il=[source], source1_patchsizex=5, source1_patchsizey=4, vec=points)
        found.append(read(tmp_path / name / "p1.tif"))
    assert np.array_equal(*found)


def test_points_are_reprojected(tmp_path: Path) -> None:
    pixels, places = noise(50, 60), [(300105.0, 3999895.0), (300255.0, 3999755.0)]
    systems = []
    for code in (32654, 4326):
        systems.append(osr.SpatialReference())
        systems[-1].ImportFromEPSG(code)
        systems[-1].SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    way = osr.CoordinateTransformation(*systems)
    degrees = [way.TransformPoint(*place)[:2] for place in places]
    points = write_points(tmp_path / "p.geojson", degrees, 4326, **{"class": [1, 2]})
    source = write(tmp_path / "im.tif", pixels)
    extract(tmp_path, source1_il=[source], source1_patchsizex=1, source1_patchsizey=1, vec=points)
    assert read(tmp_path / "p1.tif").reshape(-1).tolist() == [pixels[10, 10, 0], pixels[24, 25, 0]]


@pytest.mark.parametrize(("given", "from_layer", "lost"), [(9, "on", 9), (None, "on", 5), (None, "off", None)])
def test_no_data_in_any_band_of_any_pixel_rejects_a_patch(
    tmp_path: Path, given: float | None, from_layer: str, lost: int | None
) -> None:
    pixels = np.random.default_rng(1).integers(0, 200, (50, 60, 2), dtype="uint8")
    places = scattered(200)
    points = write_points(tmp_path / "p.gpkg", places, **{"class": list(range(200))})
    source = write(tmp_path / "im.tif", pixels, nodata=5)
    results = extract(
        tmp_path,
        source1_il=[source],
        source1_patchsizex=5,
        source1_patchsizey=4,
        source1_nodata=given,
        nodata_from_layer=from_layer,
        vec=points,
    )
    cut = expected(pixels, places, 5, 4, 10)
    kept = [n for n in range(200) if cut[n] is not None and (lost is None or not (cut[n] == lost).any())]
    assert read(tmp_path / "lab.tif").reshape(-1).tolist() == kept
    reasons = json.loads(results["reasons"])
    inside = sum(patch is not None for patch in cut)
    assert reasons.get("with no-data in source 1", 0) == inside - len(kept)


@pytest.mark.parametrize(
    ("values", "word", "dtype", "written"),
    [
        ([0, 255], "auto", "uint8", None),
        ([-1, 255], "auto", "int16", None),
        ([0, 40000], "auto", "uint16", None),
        ([-1, 40000], "auto", "int32", None),
        ([0, 4000000000], "auto", "uint32", None),
        ([0.5, 2.25], "auto", "float32", None),
        ([0.1, 1e300], "auto", "float64", None),
        ([1.0, 7.0], "uint8", "uint8", None),
        (["b", "a"], "auto", "uint8", [1, 0]),
    ],
)
def test_labels_take_the_smallest_type_that_holds_them(
    tmp_path: Path, values: list[Any], word: str, dtype: str, written: list[int] | None
) -> None:
    points = write_points(tmp_path / "p.gpkg", [(300105.0, 3999895.0), (300255.0, 3999755.0)], **{"class": values})
    source = write(tmp_path / "im.tif", noise(50, 60))
    given = {"source1_il": [source], "source1_patchsizex": 1, "source1_patchsizey": 1}
    extract(tmp_path, **given, vec=points, outlabels_pixeltype=word)
    labels = read(tmp_path / "lab.tif")
    assert (labels.dtype.name, labels.reshape(-1).tolist()) == (dtype, written or values)
    if written:
        assert read_description(str(tmp_path / "lab.tif"))["classes"] == [
            {"value": 0, "name": "a"},
            {"value": 1, "name": "b"},
        ]


def test_nulls_and_missing_geometries_are_counted(tmp_path: Path) -> None:
    places = [(300105.0, 3999895.0), (300255.0, 3999755.0), None, (0.0, 0.0)]
    points = write_points(tmp_path / "p.gpkg", places, **{"class": [4, None, 3, 2]})
    source = write(tmp_path / "im.tif", noise(50, 60))
    log = Log()
    results = extract(tmp_path, log, source1_il=[source], source1_patchsizex=1, source1_patchsizey=1, vec=points)
    assert json.loads(results["reasons"]) == {
        "without geometry": 1,
        "without a value of class": 1,
        "outside source 1 or too near its border": 1,
    }
    assert (results["patches"], results["rejected"]) == (1, 3)
    assert log.infos[0].startswith("Left out: 1 without geometry; ")


def test_the_description_says_what_the_image_is(tmp_path: Path) -> None:
    pixels = noise(50, 60, 2, "uint16")
    source = write(tmp_path / "im.tif", pixels)
    points = write_points(tmp_path / "p.gpkg", scattered(80), **{"class": [n % 2 for n in range(80)]})
    legend = [{"value": 0, "name": "wood", "color": "#00ff00"}]
    (tmp_path / "p.gpkg.json").write_text(json.dumps({"classes": legend}))
    results = extract(tmp_path, source1_il=[source], source1_patchsizex=6, source1_patchsizey=5, vec=points)
    content = read_description(str(tmp_path / "p1.tif"))
    patches = read(tmp_path / "p1.tif").reshape(-1, 2).astype("float64")
    statistics = content.pop("statistics")
    for band, row in enumerate(statistics):
        values = patches[:, band]
        assert row == pytest.approx(
            {"min": values.min(), "max": values.max(), "mean": values.mean(), "std": values.std()}
        )
    groups = content.pop("groups").split()
    assert len(groups) == results["patches"] and 2 <= len(set(groups)) <= 9, "blocks of 24 x 24 pixels"
    assert content == {
        "version": 1,
        "content": "patches",
        "patch_width": 6,
        "patch_height": 5,
        "bands": 2,
        "patches": results["patches"],
        "pixel_type": "uint16",
        "sources": [source],
        "points": points,
        "field": "class",
        "labels": "lab.tif",
        "classes": [*legend, {"value": 1}],
    }


def test_statistics_do_not_depend_on_parts_and_leave_nan_out() -> None:
    random = np.random.default_rng(0)
    values = (random.normal(1e6, 0.5, (70_000, 2))).astype("float64")
    values[::7, 1] = np.nan
    statistics = BandStatistics(2)
    for part in np.array_split(values, 9):
        statistics.add(part)
    for band, row in enumerate(statistics.rows()):
        known = values[~np.isnan(values[:, band]), band]
        want = {"min": known.min(), "max": known.max(), "mean": known.mean(), "std": known.std()}
        assert row == pytest.approx(want, rel=1e-9)
    empty = BandStatistics(1)
    empty.add(np.full((5, 1), np.nan))
    assert empty.rows() == [{"min": None, "max": None, "mean": None, "std": None}]


def test_a_smaller_pixel_type_clamps(tmp_path: Path) -> None:
    pixels = np.array([[[-3.0], [1.7], [300.0]]], "float32").repeat(50, axis=0)
    source = write(tmp_path / "im.tif", pixels)
    points = write_points(tmp_path / "p.gpkg", [(300015.0, 3999995.0)], **{"class": [1]})
    given = {"source1_il": [source], "source1_patchsizex": 3, "source1_patchsizey": 1, "vec": points}
    extract(tmp_path, **{**given, "source1_out.pixeltype": "uint8"})
    assert read(tmp_path / "p1.tif").reshape(-1).tolist() == [0, 1, 255]


BAD = [
    ({"field": "clas"}, "no field 'clas'. Did you mean class"),
    ({"source1_patchsizex": 0}, "SOURCE1_PATCHSIZEX is 0, but must be at least 1"),
    ({"source1_patchsizex": 61}, "SOURCE1_PATCHSIZEX is 61, but .* has only 60 x 50 pixels"),
    ({"source1_out": None}, "SOURCE1_OUT is missing"),
    ({"outlabels_pixeltype": "uint8"}, "A label is 1000, which the pixel type uint8 cannot hold"),
    ({"source1_nodata": 7}, "Every patch holds no-data"),
]


@pytest.mark.parametrize(("values", "message"), BAD)
def test_bad_input_is_told_and_nothing_is_written(tmp_path: Path, values: dict[str, Any], message: str) -> None:
    source = write(tmp_path / "im.tif", np.full((50, 60, 1), 7, "uint8"))
    points = write_points(tmp_path / "p.gpkg", scattered(20, 1, 300, 300), **{"class": [1000] * 20})
    before = sorted(tmp_path.iterdir())
    given = {"source1_il": [source], "source1_patchsizex": 3, "source1_patchsizey": 3, "vec": points, **values}
    with pytest.raises(OtbtfError, match=message):
        extract(tmp_path, **given)
    assert sorted(tmp_path.iterdir()) == before


def test_points_elsewhere_are_told_with_extents_and_systems(tmp_path: Path) -> None:
    source = write(tmp_path / "im.tif", noise(50, 60))
    points = write_points(tmp_path / "p.geojson", [(2.0, 48.0)], 4326, **{"class": [1]})
    with pytest.raises(OtbtfError, match=r"No point .* EPSG:4326.*x 300000 to 300600.*EPSG:32654"):
        extract(tmp_path, source1_il=[source], source1_patchsizex=3, source1_patchsizey=3, vec=points)
    assert not (tmp_path / "p1.tif").exists()


def test_polygons_are_told_of_sampleselection(tmp_path: Path) -> None:
    source = write(tmp_path / "im.tif", noise(50, 60))
    polygons = write_points(tmp_path / "p.gpkg", ["POLYGON((0 0,1 0,1 1,0 0))"], **{"class": [1]})
    with pytest.raises(OtbtfError, match="holds polygons, but points are needed.*SampleSelection"):
        extract(tmp_path, source1_il=[source], source1_patchsizex=3, source1_patchsizey=3, vec=polygons)


def test_two_outputs_in_one_file_and_an_input_as_output_are_told(tmp_path: Path) -> None:
    source = write(tmp_path / "im.tif", noise(50, 60))
    points = write_points(tmp_path / "p.gpkg", scattered(20), **{"class": [1] * 20})
    given = {"source1_il": [source], "source1_patchsizex": 3, "source1_patchsizey": 3, "vec": points}
    with pytest.raises(OtbtfError, match="SOURCE1_OUT and OUTLABELS are both"):
        extract(tmp_path, **given, outlabels=str(tmp_path / "p1.tif"))
    with pytest.raises(OtbtfError, match="SOURCE1_OUT is .* also an input"):
        extract(tmp_path, **given, source1_out=source)


def test_cancelling_leaves_nothing(tmp_path: Path) -> None:
    class Impatient(Log):
        def cancelled(self) -> bool:
            return bool(self.fractions and self.fractions[-1] > 0.5)

    source = write(tmp_path / "im.tif", noise(50, 60))
    points = write_points(tmp_path / "p.gpkg", scattered(20), **{"class": [1] * 20})
    before = sorted(tmp_path.iterdir())
    with pytest.raises(Cancelled):
        extract(tmp_path, Impatient(), source1_il=[source], source1_patchsizex=3, source1_patchsizey=3, vec=points)
    assert sorted(tmp_path.iterdir()) == before


def test_the_mosaic_is_that_of_the_patches(tmp_path: Path) -> None:
    image = write(tmp_path / "a.tif", noise(20, 20, 3, "uint8"))
    places = [(300000 + 10 * (4 + 2 * n) + 5, 4000000 - 95) for n in range(5)]
    points = write_points(tmp_path / "p.gpkg", places, **{"class": list(range(5))})
    given = {"source1_il": [image], "source1_patchsizex": 4, "source1_patchsizey": 4, "vec": points}
    with pytest.raises(OtbtfError, match="OUT_MOSAIC is .*, but SOURCE1_OUT is missing"):
        records = {"source1.out": None, "out.tfrecords": str(tmp_path / "records")}
        extract(tmp_path, **given, **records, **{"out.mosaic": str(tmp_path / "m.tif")})
    with pytest.raises(OtbtfError, match=r"m\.none"):
        extract(tmp_path, **given, **{"out.mosaic": str(tmp_path / "m.none")})
    assert not (tmp_path / "p1.tif").exists()
    found = extract(tmp_path, **given, **{"out.mosaic": str(tmp_path / "m.tif")})
    other = {"in": found["source1.out"], "labels": found["outlabels"], "out": str(tmp_path / "other.tif")}
    registry.run("PatchesMosaic", other)
    assert found["out.mosaic"] == str(tmp_path / "m.tif")
    assert np.array_equal(read(found["out.mosaic"]), read(other["out"]))
    assert hidden(tmp_path) == []
