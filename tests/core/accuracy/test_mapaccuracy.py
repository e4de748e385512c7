"""ComputeConfusionMatrix: a map against rasters, points, lines and polygons."""

from __future__ import annotations

import csv
import gc
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal, ogr, osr
from polygon_scene import Log, Stop, X, Y, box, layer, point, raster, utm

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import Cancelled, OtbtfError
from otbtf_qgis.core.samples import labelraster

ROWS, COLUMNS = np.mgrid[0:20, 0:30]
MAP = (COLUMNS // 5 + ROWS // 4) % 4 + 1
REFERENCE = np.where((COLUMNS * 7 + ROWS * 3) % 11 == 0, 5, np.where((COLUMNS + ROWS) % 13 == 0, MAP % 4 + 1, MAP))
REFERENCE[:, :2] = 0
POLYGONS = [
    ("1", box(1.2, 1.3, 7.4, 6.2)),
    ("2", box(6.1, 4.2, 12.7, 9.9)),
    ("3", box(20.3, 10.1, 28.6, 18.8)),
    ("9", box(2.2, 12.2, 3.4, 13.4)),
]
POINTS = [
    (str(REFERENCE[row, column]), point(column + 0.5, row + 0.5))
    for column in range(3, 30, 4)
    for row in range(1, 20, 5)
]

# What otbcli_ComputeConfusionMatrix of OTB 8.1.1 wrote for these.
OTB_RASTER = """\
#Reference labels (rows):1,2,3,4,5
#Produced labels (columns):1,2,3,4
123,0,0,4
8,123,0,0
0,15,110,0
0,0,11,116
13,14,11,12
"""
OTB_POLYGONS = """\
#Reference labels (rows):1,2,3,9
#Produced labels (columns):1,2,3,4
12,14,2,0
6,0,16,20
31,12,10,28
0,0,0,1
"""
OTB_POLYGONS_NODATA = """\
#Reference labels (rows):1,2,3
#Produced labels (columns):1,2,3
12,14,2
6,0,16
31,12,10
"""
OTB_POINTS = """\
#Reference labels (rows):1,2,3,4,5
#Produced labels (columns):1,2,3,4
5,0,0,0
0,7,0,0
0,1,5,0
0,0,1,7
2,0,0,0
"""


def compare(folder: Path, progress: Any = None, image: Any = None, **values: Any) -> tuple[str, dict[str, Any]]:
    """The matrix's file as text, and the results."""
    keys = {key.replace("_", "."): value for key, value in values.items() if "nodata_from" not in key}
    keys.update({key: value for key, value in values.items() if "nodata_from" in key})
    keys["in"] = image or raster(folder / "map.tif", MAP)
    results = registry.run("ComputeConfusionMatrix", {"out": str(folder / "m.csv"), **keys}, progress)
    return Path(results["out"]).read_text(), results


def against_layer(folder: Path, source: str, **values: Any) -> tuple[str, dict[str, Any]]:
    return compare(folder, ref="vector", ref_vector_in=source, ref_vector_field="class", **values)


def named(path: str, names: list[str]) -> str:
    """Give the first values of a raster names."""
    dataset = gdal.Open(path, gdal.GA_Update)
    dataset.GetRasterBand(1).SetCategoryNames(names)
    dataset.FlushCache()
    return path


def class_rows(results: dict[str, Any]) -> dict[Any, dict[str, Any]]:
    return {row["label"]: row for row in json.loads(results["classes"])}


# ------------------------------------------------------------------ as OTB


@pytest.mark.parametrize("pixels", [40, 4_000_000])
def test_a_raster_as_otb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pixels: int) -> None:
    monkeypatch.setattr(labelraster, "_PIXELS", pixels)
    reference = raster(tmp_path / "reference.tif", REFERENCE)
    matrix, results = compare(tmp_path, ref_raster_in=reference, ref_raster_nodata=0)
    assert matrix == OTB_RASTER
    assert results["overall_accuracy"] == pytest.approx(0.842857, abs=1e-6)  # OTB's, too
    assert results["kappa"] == pytest.approx(0.796478, abs=1e-6)
    assert results["samples"] == 560


def test_polygons_as_otb(tmp_path: Path) -> None:
    source = layer(tmp_path / "reference.gpkg", POLYGONS)
    assert against_layer(tmp_path, source)[0] == OTB_POLYGONS
    assert against_layer(tmp_path, source, ref_vector_nodata=9, nodatalabel=4)[0] == OTB_POLYGONS_NODATA


def test_points_as_otb(tmp_path: Path) -> None:
    matrix, results = against_layer(tmp_path, layer(tmp_path / "reference.gpkg", POINTS))
    assert matrix == OTB_POINTS
    assert results["kappa"] == pytest.approx(0.813644, abs=1e-6)


def test_the_table_of_contingency(tmp_path: Path) -> None:
    source = layer(tmp_path / "reference.gpkg", POINTS)
    assert against_layer(tmp_path, source, format="contingencytable")[0].startswith("labels,1,2,3,4\n1,5,0,0,0\n")


# --------------------------------------------------------------- references


def test_a_class_that_only_the_map_has_counts_as_an_error(tmp_path: Path) -> None:
    image = raster(tmp_path / "map.tif", [[1, 1, 2, 8]])
    reference = raster(tmp_path / "reference.tif", [[1, 1, 2, 2]])
    _, results = compare(tmp_path, image=image, ref_raster_in=reference)
    assert results["overall_accuracy"] == 0.75  # OTB, which leaves such pixels out, says 1


def test_no_data_of_map_and_reference_do_not_count(tmp_path: Path) -> None:
    image = raster(tmp_path / "map.tif", [[0, 1, 2, 1]], nodata=0)
    reference = raster(tmp_path / "reference.tif", [[1, 1, 2, 7]], nodata=7)
    _, results = compare(tmp_path, image=image, ref_raster_in=reference)
    assert results["samples"] == 2
    _, results = compare(tmp_path, image=image, ref_raster_in=reference, nodata_from_layer=False)
    assert results["samples"] == 4


def test_a_reference_on_another_grid_is_read_under_the_centres(tmp_path: Path) -> None:
    fine = np.kron(REFERENCE, np.ones((4, 4), int))[4:-3, 5:]  # 2.5 m, without the margins in the north and west
    path = raster(tmp_path / "reference.tif", fine)
    dataset = gdal.Open(path, gdal.GA_Update)
    dataset.SetGeoTransform((X + 5 * 2.5, 2.5, 0, Y - 4 * 2.5, 0, -2.5))
    dataset = None
    matrix, _ = compare(tmp_path, ref_raster_in=path, ref_raster_nodata=0)
    # The centre of a pixel of the map lies on the corner of four: the one to the south-east holds it. Where that is
    # missing (first row, first column, last row), there is no reference.
    cut = np.zeros_like(REFERENCE)
    cut[1:-1, 2:] = REFERENCE[1:-1, 2:]
    expected, _ = compare(tmp_path, ref_raster_in=raster(tmp_path / "cut.tif", cut), ref_raster_nodata=0)
    assert matrix == expected


def test_a_reference_in_another_system_and_the_other_way_up(tmp_path: Path) -> None:
    path = raster(tmp_path / "reference.tif", REFERENCE[::-1])
    dataset = gdal.Open(path, gdal.GA_Update)
    dataset.SetGeoTransform((X, 10, 0, Y - 200, 0, 10))
    dataset = None
    assert compare(tmp_path, ref_raster_in=path, ref_raster_nodata=0)[0] == OTB_RASTER
    fine = gdal.Warp("", path, format="MEM", dstSRS="EPSG:4326", xRes=2e-6, yRes=2e-6, dstNodata=0)
    gdal.GetDriverByName("GTiff").CreateCopy(str(tmp_path / "degrees.tif"), fine)
    assert compare(tmp_path, ref_raster_in=str(tmp_path / "degrees.tif"))[0] == OTB_RASTER


def test_a_reference_on_another_grid_stays_as_it_was(tmp_path: Path) -> None:
    image = raster(tmp_path / "map.tif", MAP)
    path = Path(raster(tmp_path / "reference.tif", np.kron(REFERENCE, np.ones((2, 2), int))))
    dataset = gdal.Open(str(path), gdal.GA_Update)
    dataset.SetGeoTransform((X, 5, 0, Y, 0, -5))
    dataset = None
    before = path.read_bytes()
    compare(tmp_path, image=image, ref_raster_in=str(path), ref_raster_nodata=0)
    gc.collect()  # GDAL writes when the last reference to a data set goes
    assert path.read_bytes() == before


def test_a_rotated_reference_is_turned(tmp_path: Path) -> None:
    image = raster(tmp_path / "map.tif", np.ones((20, 30)))
    path = raster(tmp_path / "reference.tif", np.ones((60, 60)))
    dataset = gdal.Open(path, gdal.GA_Update)
    dataset.SetGeoTransform((X - 270, 7, 7, Y - 100, 7, -7))
    dataset = None
    _, results = compare(tmp_path, image=image, ref_raster_in=path)
    assert results["overall_accuracy"] == 1
    assert results["samples"] == 600


def test_rasters_without_coordinates_must_have_one_size(tmp_path: Path) -> None:
    for name, height in (("map", 4), ("same", 4), ("other", 5)):
        made = gdal.GetDriverByName("GTiff").Create(str(tmp_path / f"{name}.tif"), 6, height, 1, gdal.GDT_Byte)
        made.GetRasterBand(1).Fill(3)
    made = None
    image = str(tmp_path / "map.tif")
    _, results = compare(tmp_path, image=image, ref_raster_in=str(tmp_path / "same.tif"))
    assert results["samples"] == 24
    refused(
        tmp_path, "other.tif has 6 x 5 pixels, the map .* 6 x 4", image=image, ref_raster_in=str(tmp_path / "other.tif")
    )


def test_each_point_counts_and_each_pixel_under_polygons_once(tmp_path: Path) -> None:
    twice = [("1", point(0.2, 0.2)), ("1", point(0.7, 0.7)), ("2", "MULTIPOINT((500055 4799995),(500065 4799995))")]
    _, results = against_layer(tmp_path, layer(tmp_path / "points.gpkg", twice))
    assert results["samples"] == 4
    overlapping = [("1", box(0, 0, 3, 3)), ("2", box(2, 2, 5, 5))]
    matrix, results = against_layer(tmp_path, layer(tmp_path / "boxes.gpkg", overlapping))
    assert results["samples"] == 17
    assert class_rows(results)[2]["support"] == 9  # the last one has the pixel that both cover


def test_features_in_another_system_are_brought_to_the_map(tmp_path: Path) -> None:
    assert against_layer(tmp_path, layer(tmp_path / "points.gpkg", POINTS, epsg=4326))[0] == OTB_POINTS


def test_features_outside_or_without_a_class_are_told(tmp_path: Path) -> None:
    log = Log()
    source = layer(tmp_path / "p.gpkg", [("1", point(1, 1)), ("1", point(99, 1)), (None, point(2, 2))])
    _, results = against_layer(tmp_path, source, progress=log)
    assert results["samples"] == 1
    assert "Features left out: 1 without a class, 1 outside the image." in log.warnings
    assert log.done == sorted(log.done)
    assert log.done[-1] == 1


# ------------------------------------------------------------------- names


def test_texts_are_names_of_the_map_s_classes(tmp_path: Path) -> None:
    image = named(raster(tmp_path / "map.tif", [[1, 1, 2, 2]]), ["", "Water", "Wood"])
    places = [
        ("water", point(0.5, 0.5)),
        ("wood", point(1.5, 0.5)),
        ("Wood", point(2.5, 0.5)),
        ("snow", point(3.5, 0.5)),
    ]
    log = Log()
    source = layer(tmp_path / "p.gpkg", places, ogr.OFTString)
    matrix, results = against_layer(tmp_path, source, image=image, progress=log)
    assert matrix == "#Reference labels (rows):1,2,snow\n#Produced labels (columns):1,2\n1,0\n1,1\n0,1\n"
    assert [row["name"] for row in json.loads(results["classes"])] == ["Water", "Wood", "snow"]
    assert any("not classes of the map (Water, Wood) and count as errors: snow" in w for w in log.warnings)


def test_texts_that_are_numbers_are_labels(tmp_path: Path) -> None:
    source = layer(tmp_path / "p.gpkg", POINTS, ogr.OFTString)
    assert against_layer(tmp_path, source)[0] == OTB_POINTS


def test_names_can_be_given(tmp_path: Path) -> None:
    source = layer(tmp_path / "p.gpkg", [("lake", point(0.5, 0.5))], ogr.OFTString)
    _, results = against_layer(tmp_path, source, class_names='{"1": "Lake"}')
    assert results["overall_accuracy"] == 1
    assert class_rows(results)[1]["name"] == "Lake"


# ------------------------------------------------------------------ report


def test_areas_are_in_hectares_on_the_ellipsoid(tmp_path: Path) -> None:
    """On the central meridian of UTM, lengths in the plane are 0.9996 of those on the ellipsoid."""
    source = layer(tmp_path / "p.gpkg", POINTS)
    _, results = against_layer(tmp_path, source, out_report=str(tmp_path / "r.html"))
    row = class_rows(results)[1]
    assert row["unit"] == "ha"
    assert row["mapped"] == pytest.approx((MAP == 1).sum() * 0.01 / 0.9996**2, rel=1e-7)
    total = sum(row["area"] for row in class_rows(results).values())
    assert total == pytest.approx(600 * 0.01 / 0.9996**2, rel=1e-7)
    assert 0 < results["overall_accuracy_adjusted_ci"] < results["overall_accuracy_adjusted"] < 1
    page = Path(results["out.report"]).read_text(encoding="utf-8")
    assert "Estimated area (ha)" in page
    assert "REF_VECTOR_FIELD" in page


def placed(folder: Path, system: str, transform: tuple[float, ...]) -> list[str]:
    """Map and reference, both with this place on the ground."""
    paths = []
    known = osr.SpatialReference()
    if system:
        known.SetFromUserInput(system)
    for name, labels in (("map", np.where(COLUMNS == 29, 0, MAP)), ("reference", REFERENCE)):
        path = raster(folder / f"{name}.tif", labels, nodata=0)
        dataset = gdal.Open(path, gdal.GA_Update)
        dataset.SetProjection(known.ExportToWkt() if system else "")
        dataset.SetGeoTransform(transform)
        dataset = None
        paths.append(path)
    return paths


@pytest.mark.parametrize(
    ("system", "transform"),
    [
        ("EPSG:4326", (5, 2, 0, 70, 0, -2)),  # a pixel in the south is twice that in the north
        ("EPSG:4326", (5, 0.5, 0, 60, 0, 0.5)),  # from south to north
        ("EPSG:3857", (0, 50_000, 0, 9e6, 0, -50_000)),
        ("EPSG:32631", (2e5, 3, 0, 5e6, 0, -3)),
    ],
)
def test_areas_are_those_of_maptopolygons(tmp_path: Path, system: str, transform: tuple[float, ...]) -> None:
    image, reference = placed(tmp_path, system, transform)
    _, results = compare(tmp_path, image=image, ref_raster_in=reference)
    table = str(tmp_path / "areas.csv")
    registry.run("MapToPolygons", {"in": image, "out": str(tmp_path / "p.gpkg"), "outtable": table})
    table_rows = csv.DictReader(Path(table).read_text(encoding="utf-8").splitlines())
    areas = {row["class"]: float(row["area_m2"]) for row in table_rows}
    rows = class_rows(results)
    assert len(areas) == 4
    for label, area in areas.items():
        assert rows[int(label)]["mapped"] == pytest.approx(area / 1e4, rel=1e-6)


def test_areas_are_pixels_elsewhere(tmp_path: Path) -> None:
    image, reference = placed(tmp_path, "", (5, 0.01, 0, 50, 0, -0.01))
    _, results = compare(tmp_path, image=image, ref_raster_in=reference, out_report=str(tmp_path / "r.html"))
    assert class_rows(results)[1]["unit"] == "pixels"
    assert class_rows(results)[1]["mapped"] == (MAP[:, :29] == 1).sum()
    assert "Areas are in pixels" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_a_class_without_samples_is_named_and_the_rest_is_told(tmp_path: Path) -> None:
    log = Log()
    image = named(raster(tmp_path / "map.tif", MAP), ["", "a", "b", "c", "d"])
    source = layer(tmp_path / "p.gpkg", [("1", point(0.5, 0.5)), ("2", point(5.5, 0.5)), ("3", point(10.5, 0.5))])
    _, results = against_layer(tmp_path, source, image=image, progress=log, out_report=str(tmp_path / "r.html"))
    assert results["overall_accuracy"] == 1
    assert "overall_accuracy_adjusted" not in results
    assert any("1 of 4 mapped classes have no sample" in w and w.endswith("Without samples: d.") for w in log.warnings)
    assert "Without samples: d." in (tmp_path / "r.html").read_text(encoding="utf-8")


# --------------------------------------------------------------- bad input


def refused(folder: Path, message: str, **values: Any) -> None:
    kept = folder / "m.csv"
    kept.write_text("older")
    with pytest.raises(OtbtfError, match=message):
        compare(folder, **values)
    assert kept.read_text() == "older"
    assert not list(folder.glob(".*"))


def test_bad_input_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    reference = raster(tmp_path / "reference.tif", REFERENCE)
    points = layer(tmp_path / "points.gpkg", POINTS)
    far = raster(tmp_path / "far.tif", REFERENCE, x=X + 99_000)
    empty = raster(tmp_path / "empty.tif", np.zeros((20, 30)), nodata=0)
    bands = raster(tmp_path / "bands.tif", [MAP, MAP], x=X + 5)
    vector = {"ref": "vector", "ref_vector_in": points}
    refused(
        tmp_path,
        "REF_RASTER_IN is missing, but REF is raster: choose a layer, or set REF to vector to use REF_VECTOR_IN",
        ref_vector_in=points,
    )
    refused(tmp_path, "REF_VECTOR_IN is missing", ref="vector")
    refused(tmp_path, "REF_VECTOR_FIELD is missing", **vector)
    refused(tmp_path, "has no field 'klass'. Did you mean class", **vector, ref_vector_field="klass")
    refused(tmp_path, "No pixel can be compared: .*far.tif.* The map covers x 500000", ref_raster_in=far)
    refused(tmp_path, "No pixel can be compared", ref_raster_in=reference, image=empty)
    refused(tmp_path, "REF_RASTER_IN is .*bands.tif, which has 2 bands", ref_raster_in=bands)
    refused(tmp_path, "IN is .*bands.tif, which has 2 bands", ref_raster_in=reference, image=bands)
    refused(tmp_path, "CLASS_NAMES is .*must be JSON", ref_raster_in=reference, class_names="1=water")
    refused(tmp_path, "OUT_REPORT is .*also an input", ref_raster_in=reference, out_report=reference)


def test_values_that_are_no_classes_are_refused(tmp_path: Path) -> None:
    reference = raster(tmp_path / "reference.tif", REFERENCE)
    many = raster(tmp_path / "many.tif", np.arange(1200).reshape(40, 30))
    refused(tmp_path, "more than 1000 different labels, from 0 to 1199", image=many, ref_raster_in=reference)
    reals = gdal.GetDriverByName("GTiff").Create(str(tmp_path / "reals.tif"), 30, 20, 1, gdal.GDT_Float32)
    reals.SetProjection(utm().ExportToWkt())
    reals.SetGeoTransform((X + 10, 10, 0, Y, 0, -10))
    reals.GetRasterBand(1).Fill(0.5)
    reals = None
    refused(
        tmp_path,
        "reals.tif, which has the value 0.5 .*, but labels are whole numbers",
        ref_raster_in=str(tmp_path / "reals.tif"),
    )
    texts = layer(tmp_path / "texts.gpkg", [("lake", point(1, 1))], ogr.OFTString)
    vector = {"ref": "vector", "ref_vector_field": "class"}
    refused(
        tmp_path,
        "holds the classes lake, but the classes of the map .* are called: none",
        **vector,
        ref_vector_in=texts,
    )
    halves = layer(tmp_path / "halves.gpkg", [("1.5", point(1, 1))], ogr.OFTReal)
    refused(tmp_path, "holds 1.5, but classes must be whole numbers", **vector, ref_vector_in=halves)


def test_it_can_be_stopped(tmp_path: Path) -> None:
    reference = raster(tmp_path / "reference.tif", REFERENCE)
    with pytest.raises(Cancelled):
        compare(tmp_path, progress=Stop(), ref_raster_in=reference)
    assert not (tmp_path / "m.csv").exists()
