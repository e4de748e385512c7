"""CreateExampleData: the files, their agreement with each other, and what happens when it cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal, ogr, osr

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import Cancelled, ParameterError
from otbtf_qgis.core.exampledata import noise, scene
from otbtf_qgis.core.exampledata.parcels import LandCover, lay_out
from otbtf_qgis.core.exampledata.referencefiles import CLASSES
from otbtf_qgis.core.registry import run

SIZE = 256
OPERATION = "CreateExampleData"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("example") / "new"
    return run(OPERATION, {"outdir": str(folder), "size": SIZE})


@pytest.fixture(params=[True, False], ids=["exceptions", "none"])
def gdal_mode(request: pytest.FixtureRequest) -> Iterator[None]:
    changed = [module for module in (gdal, ogr, osr) if bool(module.GetUseExceptions()) != request.param]
    switch(changed, request.param)
    yield
    switch(changed, not request.param)


def switch(modules: list[Any], on: bool) -> None:
    """Turn the exceptions of GDAL's modules on, or off in the opposite order, as GDAL demands."""
    for module in modules if on else reversed(modules):
        if on:
            module.UseExceptions()
        else:
            module.DontUseExceptions()


def pixels(path: str) -> np.ndarray:
    dataset = gdal.Open(path)
    return dataset.ReadAsArray()


def indices(first: int, end: int) -> np.ndarray:
    return np.arange(first, end, dtype=np.int64)


@pytest.mark.parametrize(
    ("key", "spacing", "bands", "dtype"),
    [
        ("xs10", 10, ["B2", "B3", "B4", "B8"], np.uint16),
        ("xs20", 20, ["B5", "B6", "B7", "B8A", "B11", "B12"], np.uint16),
        ("truth.a", 10, ["class"], np.uint8),
        ("truth.b", 10, ["class"], np.uint8),
    ],
)
def test_rasters_lie_on_the_same_ground(
    made: dict[str, Any], key: str, spacing: int, bands: list[str], dtype: type
) -> None:
    dataset = gdal.Open(made[key])
    assert dataset.GetGeoTransform() == (380000, spacing, 0, 3960000, 0, -spacing)
    assert dataset.RasterXSize * spacing == dataset.RasterYSize * spacing == SIZE * 10
    assert [dataset.GetRasterBand(i + 1).GetDescription() for i in range(dataset.RasterCount)] == bands
    assert osr.SpatialReference(dataset.GetProjection()).GetAuthorityCode(None) == "32654"
    assert dataset.ReadAsArray().dtype == dtype


def test_reflectances_are_those_of_land_and_water(made: dict[str, Any]) -> None:
    xs, truth = pixels(made["xs10"]), pixels(made["truth.a"])
    red, infrared = (xs[band].astype(float) for band in (2, 3))
    ndvi = (infrared - red) / (infrared + red)
    assert np.all(xs > 0) and np.all(xs < 10000)
    assert ndvi[truth == LandCover.FOREST].mean() > 0.5 > 0.2 > ndvi[truth == LandCover.WATER].mean()


def test_the_20_m_bands_show_what_the_10_m_bands_show(made: dict[str, Any]) -> None:
    infrared, narrow = pixels(made["xs10"])[3].astype(float), pixels(made["xs20"])[3].astype(float)
    means = infrared.reshape(SIZE // 2, 2, SIZE // 2, 2).mean((1, 3))
    assert np.corrcoef(means.ravel(), narrow.ravel())[0, 1] > 0.98


def test_both_areas_hold_every_class_and_share_no_ground(made: dict[str, Any]) -> None:
    a, b = pixels(made["truth.a"]), pixels(made["truth.b"])
    for truth in (a, b):
        assert sorted(np.unique(truth)) == [0, 1, 2, 3, 4, 5, 255]
        assert 0.1 < np.mean(truth < 255) < 0.4
    assert not np.any((a < 255) & (b < 255))
    assert np.nonzero(a < 255)[1].mean() < SIZE / 2 < np.nonzero(b < 255)[1].mean()


@pytest.mark.parametrize("seed", range(5))
def test_the_smallest_scene_has_hundreds_of_pixels_of_each_class(seed: int) -> None:
    block = scene.draw(lay_out(seed, SIZE), indices(0, SIZE), indices(0, SIZE))
    for truth in block.truth:
        assert np.bincount(truth[truth < 255], minlength=6).min() > 200


def test_names_and_colours_are_in_the_label_rasters(made: dict[str, Any]) -> None:
    dataset = gdal.Open(made["truth.b"])
    band = dataset.GetRasterBand(1)
    palette, table = band.GetColorTable(), band.GetDefaultRAT()
    assert band.GetNoDataValue() == 255
    assert band.GetColorInterpretation() == gdal.GCI_PaletteIndex
    assert band.GetRasterCategoryNames()[: len(CLASSES)] == [name for name, _ in CLASSES.values()]
    assert table.GetRowCount() == 6
    for row, (class_, (name, colour)) in enumerate(CLASSES.items()):
        assert palette.GetColorEntry(int(class_))[:3] == colour
        assert table.GetValueAsInt(row, table.GetColOfUsage(gdal.GFU_MinMax)) == class_
        assert table.GetValueAsString(row, table.GetColOfUsage(gdal.GFU_Name)) == name
        usages = (gdal.GFU_Red, gdal.GFU_Green, gdal.GFU_Blue)
        assert tuple(table.GetValueAsInt(row, table.GetColOfUsage(usage)) for usage in usages) == colour


@pytest.mark.parametrize("area", ["a", "b"])
def test_polygons_are_the_label_raster(made: dict[str, Any], area: str) -> None:
    labels = pixels(made[f"truth.{area}"])
    vector = ogr.Open(made[f"polygons.{area}"])
    layer = vector.GetLayer(0)
    assert layer.GetName() == f"terrain_truth_{area.upper()}"
    assert layer.GetSpatialRef().GetAuthorityCode(None) == "32654"
    assert vector.ExecuteSQL(f"SELECT HasSpatialIndex('{layer.GetName()}', 'geom')").GetNextFeature().GetField(0) == 1
    for feature in layer:
        assert feature.GetField("name") == CLASSES[LandCover(feature.GetField("class"))][0]
    drawn = gdal.GetDriverByName("MEM").Create("", SIZE, SIZE, 1)
    drawn.SetGeoTransform((380000, 10, 0, 3960000, 0, -10))
    drawn.GetRasterBand(1).Fill(255)
    gdal.RasterizeLayer(drawn, [1], layer, options=["ATTRIBUTE=class"])
    np.testing.assert_array_equal(drawn.ReadAsArray(), labels)


def test_the_scene_does_not_depend_on_the_blocks() -> None:
    parcels = lay_out(3, SIZE)
    whole = scene.draw(parcels, indices(0, 96), indices(32, 160))
    part = scene.draw(parcels, indices(40, 96), indices(64, 100))
    np.testing.assert_array_equal(part.xs_10m, whole.xs_10m[:, 40:, 32:68])
    np.testing.assert_array_equal(part.xs_20m, whole.xs_20m[:, 20:, 16:34])
    np.testing.assert_array_equal(part.truth, np.asarray(whole.truth)[:, 40:, 32:68])


def test_the_seed_makes_the_scene(made: dict[str, Any], tmp_path: Path) -> None:
    same = run(OPERATION, {"outdir": str(tmp_path / "same"), "size": SIZE, "seed": 1})
    other = run(OPERATION, {"outdir": str(tmp_path / "other"), "size": SIZE, "seed": 2})
    for key in ("xs10", "xs20", "truth.a", "truth.b"):
        np.testing.assert_array_equal(pixels(same[key]), pixels(made[key]))
        assert np.mean(pixels(other[key]) != pixels(made[key])) > 0.2


def test_the_scene_of_a_seed_stays_what_it_was() -> None:
    block = scene.draw(lay_out(1, SIZE), indices(0, SIZE), indices(0, SIZE))
    fine = [
        329,
        1027,
        514,
        851,
        617,
        523,
        347,
        692,
        585,
        378,
        383,
        654,
        305,
        648,
        429,
        447,
        476,
        1322,
        666,
        929,
        775,
        774,
        502,
        813,
        731,
        594,
        614,
        763,
        465,
        747,
        612,
        711,
        481,
        1650,
        796,
        985,
        878,
        751,
        510,
        738,
        700,
        520,
        525,
        612,
        434,
        638,
        670,
        634,
        1666,
        2681,
        1605,
        1412,
        1515,
        3051,
        1763,
        998,
        2066,
        2424,
        2580,
        605,
        1959,
        671,
        2112,
        3096,
    ]
    coarse = [
        415,
        1036,
        1023,
        1191,
        1077,
        607,
        818,
        554,
        1287,
        762,
        1506,
        1393,
        1489,
        1915,
        598,
        1544,
        524,
        2811,
        862,
        1656,
        1554,
        1621,
        2247,
        602,
        1838,
        525,
        3230,
        1000,
        1823,
        1660,
        1729,
        2507,
        568,
        2055,
        480,
        3648,
        852,
        1560,
        1563,
        1743,
        1965,
        283,
        1503,
        233,
        2300,
        538,
        1230,
        1241,
        1404,
        1269,
        177,
        905,
        150,
        1323,
    ]
    # Single precision may round otherwise on another machine.
    np.testing.assert_allclose(block.xs_10m[:, ::85, ::85].ravel(), fine, atol=1)
    np.testing.assert_allclose(block.xs_20m[:, ::63, ::63].ravel(), coarse, atol=1)
    counts = [np.bincount(truth[truth < 255], minlength=6) for truth in block.truth]
    np.testing.assert_allclose(
        counts, [[980, 1507, 2463, 1786, 3021, 2284], [1754, 1515, 1659, 2486, 2136, 3218]], atol=2
    )


def test_a_hash_stays_what_it_was() -> None:
    assert noise.spread(1) == 1364076727  # MurmurHash3's finaliser of 1, 0x514E28B7
    field = noise.smooth(1, indices(0, 400), indices(-200, 200), 3)
    assert abs(field.mean()) < 0.05 and abs(field.std() - 1) < 0.05


def nearest_class_kappa(features: Callable[[np.ndarray], np.ndarray], size: int) -> float:
    """Cohen's kappa, on area B, of Gaussians fitted to each class of area A."""
    block = scene.draw(lay_out(1, size), indices(0, size), indices(0, size))
    values = features(block.xs_10m.astype(np.float64))
    known = block.truth[1] < 255
    scores = []
    for class_ in LandCover:
        mine = values[block.truth[0] == class_]
        precision = np.linalg.inv(np.cov(mine.T))
        apart = values[known] - mine.mean(0)
        scores.append(np.linalg.slogdet(precision)[1] - np.sum(apart @ precision * apart, -1))
    guess, truth = np.argmax(scores, 0), block.truth[1][known]
    counts = [np.bincount(guess[truth == class_], minlength=6) for class_ in LandCover]
    confusion = np.asarray([row / row.sum() for row in counts]) / 6
    chance = confusion.sum(0) @ confusion.sum(1)
    return float((np.trace(confusion) - chance) / (1 - chance))


def with_roughness(xs: np.ndarray) -> np.ndarray:
    """The bands' means over 9 x 9 pixels, and how much neighbours differ there."""

    def blurred(plane: np.ndarray) -> np.ndarray:
        sums = np.cumsum(np.cumsum(np.pad(plane, ((5, 4), (5, 4)), mode="edge"), 0), 1)
        return (sums[9:, 9:] - sums[:-9, 9:] - sums[9:, :-9] + sums[:-9, :-9]) / 81

    steps = [np.log(blurred(np.abs(plane - np.roll(plane, (1, 2), (0, 1)))) + 1) for plane in xs]
    return np.stack([blurred(plane) for plane in xs] + steps, -1)


def test_context_tells_more_than_the_spectrum() -> None:
    spectrum = nearest_class_kappa(lambda xs: np.moveaxis(xs, 0, -1), 512)
    context = nearest_class_kappa(with_roughness, 512)
    assert 0.35 < spectrum < 0.6
    assert context > spectrum + 0.2


class StopAt(Progress):
    """Asks to stop once a share of the work is done."""

    def __init__(self, share: float) -> None:
        self.share, self.done = share, 0.0

    def fraction(self, done: float) -> None:
        assert done >= self.done
        self.done = done

    def cancelled(self) -> bool:
        return self.done >= self.share


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
@pytest.mark.usefixtures("gdal_mode")
def test_cancelling_leaves_nothing(tmp_path: Path, share: float, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Cancelled):
        run(OPERATION, {"outdir": str(tmp_path / "new"), "size": 600}, StopAt(share))
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().err == ""


def test_cancelling_leaves_older_files_whole(tmp_path: Path) -> None:
    (tmp_path / "xs_10m.tif").write_text("older")
    with pytest.raises(Cancelled):
        run(OPERATION, {"outdir": str(tmp_path), "size": SIZE}, StopAt(0.9))
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("xs_10m.tif", "older")]


@pytest.mark.usefixtures("gdal_mode")
def test_older_files_are_replaced(tmp_path: Path) -> None:
    progress = StopAt(2)
    for seed in (1, 2):
        results = run(OPERATION, {"outdir": str(tmp_path), "size": SIZE, "seed": seed}, progress)
        progress.done, last = 0.0, progress.done
        assert last == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "fields.gpkg",
        "orthophoto_A.tif",
        "orthophoto_B.tif",
        "terrain_truth_A.gpkg",
        "terrain_truth_A.qml",
        "terrain_truth_A.tif",
        "terrain_truth_A.tif.aux.xml",
        "terrain_truth_B.gpkg",
        "terrain_truth_B.qml",
        "terrain_truth_B.tif",
        "terrain_truth_B.tif.aux.xml",
        "trees_houses_A.gpkg",
        "trees_houses_B.gpkg",
        "xs_10m.tif",
        "xs_20m.tif",
    ]
    assert all(Path(path).exists() for path in results.values())


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({}, ParameterError, ["OUTDIR", "missing"]),
        ({"outdir": "new", "size": 257}, ParameterError, ["257", "even", "258"]),
        ({"outdir": "new", "size": 254}, ParameterError, ["254", "at least 256"]),
        ({"outdir": "new", "seed": -1}, ParameterError, ["-1", "at least 0"]),
        ({"outdir": "no/new"}, ParameterError, ["OUTDIR", "no", "does not exist"]),
        ({"outdir": "file"}, ParameterError, ["file", "which is a file"]),
    ],
)
def test_bad_input_is_explained_and_nothing_is_made(
    tmp_path: Path, values: dict[str, Any], error: type[Exception], words: list[str]
) -> None:
    (tmp_path / "file").write_text("")
    if "outdir" in values:
        values = {**values, "outdir": str(tmp_path / values["outdir"])}
    with pytest.raises(error) as caught:
        run(OPERATION, values)
    assert all(word in str(caught.value) for word in words)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_fields_are_all_parcels_of_farmland_and_grassland(made: dict[str, Any]) -> None:
    parcels = lay_out(1, SIZE)
    parcel = parcels.locate(indices(0, SIZE), indices(0, SIZE))[0]
    vector = ogr.Open(made["fields"])
    layer = vector.GetLayer(0)
    drawn = gdal.GetDriverByName("MEM").Create("", SIZE, SIZE, 2, gdal.GDT_Int32)
    drawn.SetGeoTransform((380000, 10, 0, 3960000, 0, -10))
    gdal.RasterizeLayer(drawn, [1], layer, options=["ATTRIBUTE=class"])
    numbered = vector.ExecuteSQL("SELECT fid + 0 AS number, geom FROM fields")
    gdal.RasterizeLayer(drawn, [2], numbered, options=["ATTRIBUTE=number"])
    classes, fields = drawn.ReadAsArray()
    cover = parcels.cover[parcel]
    grown = np.isin(cover, (LandCover.FARM, LandCover.GRASSLAND))
    inside = fields > 0
    assert (classes[inside] == cover[inside]).all() and grown[inside].all()
    assert 0 <= (grown & ~inside).sum() < 0.01 * grown.sum()  # splinters of a border
    assert all(len(np.unique(parcel[fields == number])) == 1 for number in np.unique(fields[inside]))
    assert {feature["name"] for feature in layer} == {"Farm", "Park and grassland"}
