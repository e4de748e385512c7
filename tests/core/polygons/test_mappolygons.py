"""MapToPolygons: from a raster to a layer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gdal_polygons
import numpy as np
import pytest
from osgeo import gdal, ogr, osr
from polygon_layers import features, in_pixels
from serving import ORIGIN, UTM, Log, write

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import Cancelled, OtbtfError
from otbtf_qgis.core.polygons import mapreading

CODES = np.array(
    [
        [1, 1, 1, 2, 2, 0],
        [1, 2, 1, 2, 2, 0],
        [1, 1, 1, 1, 2, 0],
        [3, 3, 3, 1, 1, 0],
    ],
    "uint8",
)


def run(folder: Path, codes: np.ndarray, out: str = "out.gpkg", **values: Any) -> tuple[list[dict[str, Any]], Any, Log]:
    log = Log()
    bands = codes if codes.ndim == 3 else codes[..., None]
    image = values.pop("image", None) or write(
        folder / "map.tif", bands, values.pop("transform", ORIGIN), values.pop("crs", UTM), values.pop("tag", 0)
    )
    results = registry.run("MapToPolygons", {"in": image, "out": str(folder / out), **values}, log)
    return features(str(folder / out)), results, log


def whole(path: Path, dtype: str, value: int) -> str:
    """Write a map of 1 and a larger class in a type of 64 bits, which GDAL has from 3.5 on."""
    kind = getattr(gdal, {"int64": "GDT_Int64", "uint64": "GDT_UInt64"}[dtype], None)
    if kind is None:
        pytest.skip("this GDAL has no numbers of 64 bits")
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), 2, 1, 1, kind)
    dataset.SetGeoTransform(ORIGIN)
    dataset.GetRasterBand(1).WriteArray(np.array([[1, value]], dtype))
    dataset = None
    return str(path)


def test_polygons_with_their_area_and_perimeter(tmp_path: Path) -> None:
    found, results, _ = run(tmp_path, CODES)
    expected = gdal_polygons.polygonized(np.where(CODES == 0, -1, CODES.astype("int32")))
    gdal_polygons.assert_same(in_pixels(found), expected)
    assert (results["polygons"], results["classes"]) == (4, 3)
    scale = 0.9996**2  # of UTM near its central meridian, where pixels are larger than they say
    (three,) = [feature for feature in found if feature["class"] == 3]
    assert three["area_m2"] == pytest.approx(300 / scale, rel=3e-3)
    assert three["perimeter"] == pytest.approx(80 / 0.9996, rel=2e-3)
    assert "mean_prob" not in three


@pytest.mark.parametrize("extension", ["shp", "geojson", "csv"])
def test_in_other_formats(tmp_path: Path, extension: str) -> None:
    found, _, _ = run(tmp_path, CODES, f"out.{extension}")
    classes = sorted(int(feature["class"]) for feature in found)
    assert classes == [1, 2, 2, 3]
    shapes = [feature["shape"] or ogr.CreateGeometryFromWkt(feature["WKT"]) for feature in found]
    assert sum(shape.Area() for shape in shapes) == pytest.approx(20 * 100)


@pytest.mark.parametrize("rows", [1, 3])
def test_the_height_of_strips_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    codes = np.random.default_rng(3).integers(0, 3, (9, 8)).astype("uint8")
    whole, _, _ = run(tmp_path, codes, minarea=250)
    monkeypatch.setattr(mapreading, "PIXEL_BYTES", (16 << 20) // (rows * 8))
    strips, _, _ = run(tmp_path, codes, "strips.gpkg", minarea=250, ram=16)
    gdal_polygons.assert_same(in_pixels(strips), in_pixels(whole))
    areas = [
        sorted((f["class"], round(f["area_m2"], 6), round(f["perimeter"], 6)) for f in each) for each in (whole, strips)
    ]
    assert areas[0] == areas[1]


def test_a_smallest_area(tmp_path: Path) -> None:
    codes = np.random.default_rng(5).integers(0, 4, (20, 30)).astype("uint8")
    found, _, log = run(tmp_path, codes, minarea=450)
    expected = gdal_polygons.sieved(np.where(codes == 0, -1, codes.astype("int32")), 5)
    gdal_polygons.assert_same(in_pixels(found), gdal_polygons.polygonized(expected))
    assert any("less than 5 pixels" in line for line in log.infos)


def test_names_of_classes_and_the_table(tmp_path: Path) -> None:
    image = write(tmp_path / "map.tif", CODES[..., None], ORIGIN, UTM, 0)
    dataset = gdal.Open(image, gdal.GA_Update)
    dataset.GetRasterBand(1).SetCategoryNames(["", "water", "forest"])
    dataset = None
    found, results, _ = run(tmp_path, CODES, image=image, outtable=str(tmp_path / "areas.csv"))
    assert {(f["class"], f["name"]) for f in found} == {(1, "water"), (2, "forest"), (3, None)}
    rows = features(results["outtable"])
    assert [(r["class"], r["name"], r["polygons"], r["pixels"]) for r in rows] == [
        (1, "water", 1, 11),
        (2, "forest", 2, 6),
        (3, "", 1, 3),
    ]
    assert [r["percent"] for r in rows] == pytest.approx([55, 30, 15], abs=1e-3)
    assert [row["name"] for row in json.loads(results["legend"])[:2]] == ["water", "forest"]
    assert json.loads((tmp_path / "out.gpkg.json").read_text())["field"] == "class"


def steps() -> np.ndarray:
    """Two classes beside a diagonal, and no-data below."""
    codes = (2 - np.tri(12, 12)).astype("uint8")
    codes[10:] = 0
    return codes


def test_simplified_borders(tmp_path: Path) -> None:
    """Areas of polygons are those of what is drawn; those of classes stay those of the map's pixels."""
    exact, _, _ = run(tmp_path, steps(), outtable=str(tmp_path / "exact.csv"))
    found, results, log = run(tmp_path, steps(), "simple.gpkg", simplify=10, outtable=str(tmp_path / "areas.csv"))
    assert [row["area_m2"] for row in features(results["outtable"])] == [
        row["area_m2"] for row in features(str(tmp_path / "exact.csv"))
    ]
    scale = [f["area_m2"] / f["shape"].Area() for f in exact]
    assert [f["area_m2"] / f["shape"].Area() for f in found] == pytest.approx(scale, rel=1e-4)
    corners = [sum(f["shape"].GetGeometryRef(0).GetPointCount() for f in each) for each in (exact, found)]
    assert corners[1] < corners[0] / 2
    assert any(line.startswith("0 pieces of borders are not simplified") for line in log.infos)


def test_a_tolerance_that_changes_nothing(tmp_path: Path) -> None:
    found, _, log = run(tmp_path, steps(), simplify=4)
    assert any("SIMPLIFY is 4 (metres), which is too little" in line for line in log.warnings)
    gdal_polygons.assert_same(in_pixels(found), in_pixels(run(tmp_path, steps(), "exact.gpkg")[0]))


def test_a_probability_with_a_threshold(tmp_path: Path) -> None:
    values = np.array([[0.9, 0.5, 0.2], [0.7, 0.1, np.nan], [0.0, 0.0, 0.6]], "float32")
    found, _, _ = run(tmp_path, values, threshold=0.5, tag=None)
    assert sorted(f["mean_prob"] for f in found) == pytest.approx([0.6, 0.7])
    assert {f["class"] for f in found} == {1}


def test_mean_probability_of_several_bands(tmp_path: Path) -> None:
    """The largest of a pixel's bands counts; pixels without one do not."""
    bands = np.zeros((4, 6, 2), "float32")
    bands[..., 0], bands[..., 1] = 0.25, np.arange(6) / 10
    bands[3, 0] = -1
    other = write(tmp_path / "probabilities.tif", bands, ORIGIN, UTM, -1)
    found, _, _ = run(tmp_path, CODES, probabilities=other)
    (three,) = [feature for feature in found if feature["class"] == 3]
    assert three["mean_prob"] == pytest.approx(0.25)
    (square,) = [f for f in found if f["class"] == 2 and f["shape"].Area() == 100]
    assert square["mean_prob"] == pytest.approx(0.25)


@pytest.mark.parametrize("alpha", [False, True])
def test_pixels_in_a_mask_get_no_polygon(tmp_path: Path, alpha: bool) -> None:
    image = write(tmp_path / "map.tif", CODES[..., None], ORIGIN, UTM, None)
    mask = np.where(CODES == 2, 0, 255).astype("uint8")
    if alpha:
        image = write(tmp_path / "map.tif", np.stack((CODES, mask), axis=-1), ORIGIN, UTM, None)
        dataset = gdal.Open(image, gdal.GA_Update)
        dataset.GetRasterBand(2).SetColorInterpretation(gdal.GCI_AlphaBand)
    else:
        dataset = gdal.Open(image, gdal.GA_Update)
        dataset.CreateMaskBand(gdal.GMF_PER_DATASET)
        dataset.GetRasterBand(1).GetMaskBand().WriteArray(mask)
    dataset = None
    found, _, _ = run(tmp_path, CODES, image=image)
    assert {feature["class"] for feature in found} == {0, 1, 3}


@pytest.mark.parametrize(
    "transform",
    [
        (500000.0, 8.0, 3.0, 4800000.0, 2.0, -9.0),
        (500000.0, -10.0, 0.0, 4800000.0, 0.0, -10.0),
        (500000.0, 10.0, 0.0, 4800000.0, 0.0, 10.0),
    ],
    ids=["rotated", "mirrored", "south-up"],
)
def test_any_grid(tmp_path: Path, transform: tuple[float, ...]) -> None:
    found, _, _ = run(tmp_path, CODES, transform=transform, probabilities=write(
        tmp_path / "p.tif", CODES[..., None].astype("float32"), transform, UTM, None))  # fmt: skip
    expected = gdal_polygons.polygonized(np.where(CODES == 0, -1, CODES.astype("int32")))
    gdal_polygons.assert_same(in_pixels(found, transform), expected)
    assert all(feature["mean_prob"] == feature["class"] for feature in found)
    pixel = abs(transform[1] * transform[5] - transform[2] * transform[4])
    assert sum(feature["area_m2"] for feature in found) == pytest.approx(20 * pixel / 0.9996**2, rel=3e-3)


def test_classes_of_any_type(tmp_path: Path) -> None:
    codes = np.array([[-5, 70000], [70000, 2147483647]], "int32")
    assert sorted(f["class"] for f in run(tmp_path, codes, tag=None)[0]) == [-5, 70000, 70000, 2147483647]
    real = np.array([[1, 2], [2, np.nan]], "float32")
    assert sorted(f["class"] for f in run(tmp_path, real, "real.gpkg", tag=None)[0]) == [1, 2, 2]


def test_without_coordinate_system(tmp_path: Path) -> None:
    found, _, log = run(tmp_path, CODES, crs=None)
    assert {(feature["area_m2"], feature["perimeter"]) for feature in found} == {(None, None)}
    assert any("neither area nor perimeter" in line for line in log.warnings)
    with pytest.raises(OtbtfError, match=r"MINAREA is 5 m2, but .*assign the right one"):
        run(tmp_path, CODES, crs=None, minarea=5)


def test_pixels_of_uneven_area(tmp_path: Path) -> None:
    transform = (0.0, 1.0, 0.0, 80.0, 0.0, -15.0)
    _, _, log = run(tmp_path, CODES, transform=transform, crs=4326, minarea=1.0)
    assert any("exact in its middle only" in line for line in log.warnings)


def test_a_smallest_area_larger_than_the_map(tmp_path: Path) -> None:
    found, _, log = run(tmp_path, CODES, minarea=float("inf"))
    assert len(found) == 4
    assert any("MINAREA is inf m2, but all pixels of" in line for line in log.warnings)


def test_where_the_coordinate_system_ends(tmp_path: Path) -> None:
    """An orthographic view: the corners of the map do not see the Earth."""
    system = osr.SpatialReference()
    system.ImportFromProj4("+proj=ortho +lat_0=40 +lon_0=0")
    codes = np.repeat([[1, 2, 1]], 3, axis=0).astype("uint8")
    transform = (-7.5e6, 5e6, 0.0, 7.5e6, 0.0, -5e6)
    image = write(tmp_path / "map.tif", codes[..., None], transform, None, None)
    dataset = gdal.Open(image, gdal.GA_Update)
    dataset.SetProjection(system.ExportToWkt())
    dataset = None
    found, _, log = run(tmp_path, codes, image=image)
    assert [feature["area_m2"] for feature in found] == [None] * 3
    assert any("3 polygons have no area or perimeter, since" in line for line in log.warnings)


def test_a_map_without_classes(tmp_path: Path) -> None:
    found, results, log = run(tmp_path, np.zeros((3, 3), "uint8"))
    assert (found, results["polygons"]) == ([], 0)
    assert any("no pixel of a class" in line for line in log.warnings)


@pytest.mark.parametrize("after", [0.0, 0.55, 0.65, 0.85])
def test_cancelled_leaves_what_was_there(tmp_path: Path, after: float) -> None:
    """While the map is read, while lines are compared, while polygons are written."""

    class Stops(Log):
        def cancelled(self) -> bool:
            return bool(self.fractions) and self.fractions[-1] >= after

    image = write(tmp_path / "map.tif", steps()[..., None], ORIGIN, UTM, 0)
    (tmp_path / "out.gpkg").write_text("older")
    values = {"in": image, "out": str(tmp_path / "out.gpkg"), "outtable": str(tmp_path / "areas.csv"), "simplify": 10}
    log = Stops()
    with pytest.raises(Cancelled):
        registry.run("MapToPolygons", values, log)
    assert log.fractions == sorted(log.fractions)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["map.tif", "out.gpkg"]
    assert (tmp_path / "out.gpkg").read_text() == "older"


class TestRefused:
    def test_real_values_without_a_threshold(self, tmp_path: Path) -> None:
        with pytest.raises(OtbtfError, match=r"value 0\.5 in column 1, row 0, .*Set THRESHOLD if it is a probability"):
            run(tmp_path, np.array([[1, 0.5]], "float32"))
        assert sorted(path.name for path in tmp_path.iterdir()) == ["map.tif"]

    def test_a_tolerance_in_another_unit(self, tmp_path: Path) -> None:
        """10 metres, for a map in degrees."""
        match = r"SIMPLIFY is 10, but in its unit \(degrees\) .* is only 0\.006 wide and 0\.004 high"
        with pytest.raises(OtbtfError, match=match):
            run(tmp_path, CODES, simplify=10, transform=(7.0, 0.001, 0.0, 45.0, 0.0, -0.001), crs=4326)

    def test_right_angles_without_a_tolerance(self, tmp_path: Path) -> None:
        with pytest.raises(OtbtfError, match="RIGHTANGLES is given without SIMPLIFY"):
            run(tmp_path, CODES, rightangles=True)

    def test_right_angles_in_degrees(self, tmp_path: Path) -> None:
        with pytest.raises(OtbtfError, match=r"map\.tif is in degrees, where a right angle is none on the ground"):
            place = (7.0, 0.001, 0.0, 45.0, 0.0, -0.001)
            run(tmp_path, CODES, rightangles=True, simplify=0.001, transform=place, crs=4326)

    def test_a_class_that_the_format_cannot_hold(self, tmp_path: Path) -> None:
        codes = np.array([[1, 3e9]], "float64")
        assert {f["class"] for f in run(tmp_path, codes, "out.shp", tag=None)[0]} == {1, 3_000_000_000}
        with pytest.raises(OtbtfError, match=r"out\.mif cannot hold 3000000000 in the field class"):
            run(tmp_path, codes, "out.mif", tag=None)
        assert not list(tmp_path.glob("*.mif"))

    def test_a_class_of_more_digits_than_a_shapefile_holds(self, tmp_path: Path) -> None:
        """GDAL would write it as a real number, rounded."""
        codes = np.array([[1, 2.0**52]], "float64")
        assert {f["class"] for f in run(tmp_path, codes, "out.shp", tag=None)[0]} == {1, 2**52}
        with pytest.raises(
            OtbtfError, match=r"large\.shp cannot hold 4611686018427387905 in the field class: .* end at 9{18}\."
        ):
            run(tmp_path, CODES, "large.shp", image=whole(tmp_path / "large.tif", "int64", 2**62 + 1))

    def test_a_class_that_no_format_holds(self, tmp_path: Path) -> None:
        with pytest.raises(
            OtbtfError, match="the class 9223372036854775808, but numbers of classes end at 9223372036854775807"
        ):
            run(tmp_path, CODES, image=whole(tmp_path / "large.tif", "uint64", 2**63))

    @pytest.mark.parametrize("key", ["threshold", "minarea", "simplify"])
    def test_a_setting_that_is_no_number(self, tmp_path: Path, key: str) -> None:
        with pytest.raises(OtbtfError, match=f"{key.upper()} is nan, but must be"):
            run(tmp_path, CODES, **{key: float("nan")})

    @pytest.mark.parametrize("extension", ["shp", "fgb"])
    def test_a_table_in_a_format_that_holds_none(self, tmp_path: Path, extension: str) -> None:
        with pytest.raises(OtbtfError, match=rf"OUTTABLE is .*\.{extension}, but .* holds no table without geometry"):
            run(tmp_path, CODES, outtable=str(tmp_path / f"areas.{extension}"))
        assert sorted(path.name for path in tmp_path.iterdir()) == ["map.tif"]

    def test_a_name_that_the_format_cannot_hold(self, tmp_path: Path) -> None:
        """Before the work: a shapefile holds 254 bytes, and cuts off the rest."""
        image = write(tmp_path / "map.tif", CODES[..., None], ORIGIN, UTM, 0)
        dataset = gdal.Open(image, gdal.GA_Update)
        dataset.GetRasterBand(1).SetCategoryNames(["", "é" * 127, "é" * 128])
        dataset = None
        with pytest.raises(OtbtfError, match=r"out\.shp cannot hold 'ééé.*' in the field name: .* end after 254 bytes"):
            run(tmp_path, CODES, "out.shp", image=image)
        assert {len(f["name"] or "") for f in run(tmp_path, CODES, image=image)[0]} == {0, 127, 128}

    def test_several_bands(self, tmp_path: Path) -> None:
        with pytest.raises(OtbtfError, match="which has 2 bands, but a map has one"):
            run(tmp_path, np.ones((3, 3, 2), "uint8"))

    def test_probabilities_elsewhere(self, tmp_path: Path) -> None:
        other = write(tmp_path / "p.tif", np.ones((4, 6, 1), "float32"), (300005.0, *ORIGIN[1:]), UTM, None)
        with pytest.raises(OtbtfError, match="PROBABILITIES is .*is not on the grid of IN"):
            run(tmp_path, CODES, probabilities=other)


# --------------------------------------------------- areas adjusted for errors


def matrix(folder: Path, reference: Sequence[Any], produced: Sequence[Any], counts: Any) -> str:
    lines = ["#Reference labels (rows):", "#Produced labels (columns):"]
    lines = [line + ",".join(map(str, labels)) for line, labels in zip(lines, (reference, produced))]
    path = folder / "matrix.csv"
    path.write_text("\n".join([*lines, *(",".join(map(str, row)) for row in counts)]) + "\n")
    return str(path)


def named_map(folder: Path, names: Sequence[str]) -> str:
    """Write a map whose classes have names, by their values."""
    image = write(folder / "map.tif", CODES[..., None], ORIGIN, UTM, 0)
    dataset = gdal.Open(image, gdal.GA_Update)
    dataset.GetRasterBand(1).SetCategoryNames(list(names))
    dataset = None
    return image


@pytest.mark.parametrize("named", [False, True])
def test_adjusted_areas(tmp_path: Path, named: bool) -> None:
    """By Olofsson et al. (2014), eq. 9 to 11, written out; class 4 is in the reference alone."""
    names = ["", "water", "forest", "farm", "rock"]
    image = named_map(tmp_path, names if named else [])
    counts = np.array([[20, 3, 1], [2, 15, 0], [0, 1, 9], [1, 0, 2]])  # reference 1 to 4, map 1 to 3
    labels = names[1:] if named else [1, 2, 3, 4]
    given = matrix(tmp_path, labels, labels[:3], counts)
    _, results, _ = run(tmp_path, CODES, image=image, outtable=str(tmp_path / "areas.gpkg"), matrix=given)
    rows = features(results["outtable"])
    assert [(row["class"], row["polygons"], row["pixels"]) for row in rows] == [
        (1, 1, 11),
        (2, 2, 6),
        (3, 1, 3),
        (4, 0, 0),
    ]
    whole = sum(row["area_m2"] for row in rows)
    for k, row in enumerate(rows):
        share = variance = 0.0
        for i in range(3):
            weight, sampled = rows[i]["area_m2"] / whole, counts[:, i].sum()
            part = counts[k, i] / sampled
            share += weight * part
            variance += weight**2 * part * (1 - part) / (sampled - 1)
        assert row["adjusted"] == pytest.approx(whole * share, rel=1e-12)
        assert row["adjust_ci"] == pytest.approx(1.96 * whole * variance**0.5, rel=1e-12)


def test_adjusted_areas_are_those_of_the_accuracy_report(tmp_path: Path) -> None:
    codes = np.kron(CODES, np.ones((5, 5), "uint8"))
    reference = codes.copy()
    reference[::3, ::4] = np.roll(codes, 7, axis=1)[::3, ::4]
    image, truth = (
        write(tmp_path / f"{n}.tif", c[..., None], ORIGIN, UTM, 0) for n, c in enumerate((codes, reference))
    )
    given = {"in": image, "ref": "raster", "ref.raster.in": truth, "out": str(tmp_path / "matrix.csv")}
    accuracy = registry.run("ComputeConfusionMatrix", given, Log())
    _, results, _ = run(tmp_path, codes, image=image, outtable=str(tmp_path / "areas.gpkg"), matrix=accuracy["out"])
    told = {row["label"]: (row["area"] * 1e4, row["area_ci"] * 1e4) for row in json.loads(accuracy["classes"])}
    for row in features(results["outtable"]):
        assert (row["adjusted"], row["adjust_ci"]) == pytest.approx(told[row["class"]], rel=1e-6)


def test_areas_without_samples_are_not_adjusted(tmp_path: Path) -> None:
    given = matrix(tmp_path, [1, 2], [1, 2], [[5, 1], [2, 7]])
    image = named_map(tmp_path, ["", "", "", "farm"])
    _, results, log = run(tmp_path, CODES, image=image, outtable=str(tmp_path / "areas.gpkg"), matrix=given)
    assert {row["adjusted"] for row in features(results["outtable"])} == {None}
    assert any("MATRIX has no sample where the map has farm" in line for line in log.warnings)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"outtable": None}, "MATRIX is given, but OUTTABLE is missing"),
        ({"minarea": 200}, "MATRIX compares the map as it is, but MINAREA changes its areas"),
        ({"threshold": 0.5}, "MATRIX compares the map as it is, but THRESHOLD"),
        ({"crs": None}, "MATRIX adjusts areas, but .* has no geographic or projected"),
        ({"matrix": "forest"}, "MATRIX has the class forest, but IN has no names of classes"),
        (
            {"matrix": "forest", "names": ["", "water", "rock"]},
            "MATRIX has the class forest, but those of IN are water, rock",
        ),
        ({"matrix": "none"}, "not a confusion matrix"),
    ],
)
def test_a_matrix_that_does_not_fit(tmp_path: Path, more: dict[str, Any], message: str) -> None:
    more = dict(more)
    if names := more.pop("names", None):
        more["image"] = named_map(tmp_path, names)
    labels = ["forest", "water"] if more.get("matrix") == "forest" else [1, 2]
    given = matrix(tmp_path, labels, labels, [[5, 1], [2, 7]])
    if more.get("matrix") == "none":
        Path(given).write_text("a,b\n1,2\n")
    values = {"outtable": str(tmp_path / "areas.csv"), **more, "matrix": given}
    with pytest.raises(OtbtfError, match=message):
        run(tmp_path, CODES, **values)
    assert not list(tmp_path.glob("out*")) and not list(tmp_path.glob("areas*"))
