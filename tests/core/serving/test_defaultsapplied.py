"""A model is served as its sidecar says that it is meant to be, where nothing else is given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal, ogr
from polygon_scene import Log, X, Y, box, layer, raster

from otbtf_qgis.core import registry
from otbtf_qgis.core.classes.legend import raster_legend
from otbtf_qgis.core.errors import ModelError

ROWS, COLUMNS, SIDE = 48, 64, 16
CLASSES = ("2", "3", "7")


class Told(Log):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def info(self, message: str) -> None:
        self.lines.append(message)


def parcels() -> np.ndarray:
    row, column = np.mgrid[:ROWS, :COLUMNS] // SIDE
    return (row + 2 * column) % 3


def image_of(folder: Path, name: str = "image.tif") -> str:
    """Parcels that differ in which band is bright; the first columns are 0."""
    numbers = parcels()
    pixels = np.random.default_rng(0).integers(20, 120, (3, ROWS, COLUMNS))
    np.put_along_axis(pixels, numbers[None], 160, axis=0)
    pixels[:, :, :3] = 0
    return raster(folder / name, pixels)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A land cover map from texts that are numbers, with its model in both forms."""
    folder = tmp_path_factory.mktemp("map")
    numbers = parcels()
    features = [
        (CLASSES[numbers[y, x]], box(x + 2, y + 2, x + SIDE - 2, y + SIDE - 2))
        for y in range(0, ROWS, SIDE)
        for x in range(0, COLUMNS, SIDE)
    ]
    values = {
        "in": [image_of(folder)],
        "labels.vector": layer(folder / "polygons.gpkg", features, ogr.OFTString),
        "labels.field": "class",
        "nodata": 0,
        "validation.share": 0,
        "samples": 40,
        "epochs": 8,
        "out": str(folder / "map.tif"),
        "model.saveto": str(folder / "model"),
        "out.keras": str(folder / "net.keras"),
    }
    registry.run("LandCoverMap", values, Log())
    return {**values, "polygons": values["labels.vector"], "image": values["in"][0], "folder": folder}


def serve(image: str, model: str, out: Path, log: Any = None, **values: Any) -> dict[str, Any]:
    given = {key.replace("__", "."): value for key, value in values.items()}
    return registry.run(
        "TensorflowModelServe", {"source1.il": [image], "model.dir": model, "out": str(out), **given}, log or Log()
    )


def contents(path: str | Path) -> tuple[Any, ...]:
    """What makes a map: pixels, grid, type, no-data value, names and colours."""
    dataset = gdal.Open(str(path))
    band = dataset.GetRasterBand(1)
    table, colors = band.GetDefaultRAT(), band.GetColorTable()
    cells = [[table.GetValueAsString(r, c) for c in range(table.GetColumnCount())] for r in range(table.GetRowCount())]
    entries = [colors.GetColorEntry(value) for value in range(colors.GetCount())]
    return (
        dataset.ReadAsArray().tolist(),
        dataset.GetGeoTransform(),
        band.DataType,
        band.GetNoDataValue(),
        cells,
        entries,
    )


def test_a_map_in_parts_has_names_and_colours(made: dict[str, Any], tmp_path: Path) -> None:
    found = [serve(made["image"], made["model.saveto"], tmp_path / "map.vrt", part=f"{n}/2") for n in (0, 1)]
    *whole, colors = contents(made["out"])
    *virtual, colors_of_virtual = contents(tmp_path / "map.vrt")
    assert virtual == whole
    for value in (2, 3, 7):  # the others have none: transparent in a VRT, black in a GeoTIFF
        assert colors_of_virtual[value] == colors[value]
    assert [row["value"] for row in found[1]["classes"]] == [2, 3, 7]
    serve(made["image"], made["model.saveto"], tmp_path / "map.tif", resume=True)
    assert contents(tmp_path / "map.tif") == contents(made["out"])
    assert not list((tmp_path / "map.parts").glob("*.aux.xml"))


@pytest.mark.parametrize("form", ["model.saveto", "out.keras"])
def test_labels_to_map_to_served_map_to_accuracy(made: dict[str, Any], tmp_path: Path, form: str) -> None:
    log = Told()
    results = serve(made["image"], made[form], tmp_path / "served.tif", log)
    assert contents(tmp_path / "served.tif") == contents(made["out"])
    dataset = gdal.Open(made["out"])
    assert dataset.GetGeoTransform() == (X, 10, 0, Y, 0, -10)
    pixels = dataset.ReadAsArray()
    assert pixels.shape == (ROWS, COLUMNS) and set(np.unique(pixels)) == {2, 3, 7, 255}
    assert (pixels[:, :3] == 255).all() and (pixels[:, 3:] != 255).all()
    legend = {value: (entry.name, entry.color) for value, entry in raster_legend(dataset).items()}
    assert {value: name for value, (name, _) in legend.items()} == {2: "2", 3: "3", 7: "7"}
    assert legend == {row["value"]: (row["name"], row["color"]) for row in results["classes"]}
    told = next(line for line in log.lines if line.startswith("From the model's sidecar: "))
    for words in ("MODEL_FULLYCONV=off", "OUTPUT_SPCSCALE=1", "OUTPUT_BV=255", "PADDING=reflect", "SOURCE1_NODATA=0"):
        assert words in told
    # The labels again as the reference: what is right was counted here, pixel by pixel.
    truth = np.array([2, 3, 7])[parcels()]
    row, column = np.mgrid[:ROWS, :COLUMNS]
    inside = (row % SIDE >= 2) & (row % SIDE < SIDE - 2) & (column % SIDE >= 2) & (column % SIDE < SIDE - 2)
    inside &= pixels != 255
    accuracy = registry.run(
        "ComputeConfusionMatrix",
        {
            "in": str(tmp_path / "served.tif"),
            "ref": "vector",
            "ref.vector.in": made["polygons"],
            "ref.vector.field": "class",
            "out": str(tmp_path / "m.csv"),
        },
        Log(),
    )
    assert accuracy["samples"] == inside.sum()
    assert accuracy["overall_accuracy"] == pytest.approx((pixels == truth)[inside].mean())
    assert accuracy["overall_accuracy"] > 0.6


def test_what_is_given_wins(made: dict[str, Any], tmp_path: Path) -> None:
    model = made["model.saveto"]
    results = serve(made["image"], model, tmp_path / "coarse.tif", output__spcscale=4, padding="none")
    assert gdal.Open(results["out"]).GetGeoTransform()[1] == 40
    results = serve(made["image"], model, tmp_path / "whole.tif", model__fullyconv="on", output__bv=9)
    assert gdal.Open(results["out"]).GetGeoTransform()[1] == 40, "another mode sets aside the spacing scale too"
    assert gdal.Open(results["out"]).GetRasterBand(1).GetNoDataValue() == 9
    results = serve(made["image"], model, tmp_path / "all.tif", nodata_from_layer=False)
    assert 255 not in gdal.Open(results["out"]).ReadAsArray()
    other = next(name for name in described(model)["outputs"] if name not in ("classes", "features"))
    results = serve(made["image"], model, tmp_path / "other.tif", output__names=other)
    assert results["bands"] == 3 and gdal.Open(results["out"]).GetRasterBand(1).GetNoDataValue() == 0


def described(model: str) -> dict[str, Any]:
    path = Path(model) / "mlm.json" if Path(model).is_dir() else Path(model + ".json")
    properties = json.loads(path.read_text())["properties"]
    return {"outputs": [row["name"] for row in properties["mlm:output"]], "serving": properties["otbtf:serving"]}


def test_an_older_sidecar_serves_as_before(made: dict[str, Any], tmp_path: Path) -> None:
    import shutil

    model = tmp_path / "model"
    shutil.copytree(made["model.saveto"], model)
    item = json.loads((model / "mlm.json").read_text())
    del item["properties"]["otbtf:serving"]
    (model / "mlm.json").write_text(json.dumps(item))
    results = serve(made["image"], str(model), tmp_path / "older.tif")
    dataset = gdal.Open(results["out"])
    assert dataset.GetGeoTransform()[1] == 40 and dataset.RasterXSize == (COLUMNS - 16) // 4 + 1
    item["properties"]["otbtf:serving"] = {"fully_convolutional": "perhaps"}
    (model / "mlm.json").write_text(json.dumps(item))
    with pytest.raises(ModelError, match="fully_convolutional is 'perhaps'"):
        serve(made["image"], str(model), tmp_path / "wrong.tif")


def test_it_goes_with_the_model(made: dict[str, Any], tmp_path: Path) -> None:
    """Into a SavedModel that is exported, through a new description, and into a model that is trained on."""
    first = described(made["out.keras"])["serving"]
    exported = str(tmp_path / "exported")
    registry.run("ExportSavedModel", {"model.dir": made["out.keras"], "out": exported}, Log())
    assert described(exported)["serving"] == first
    registry.run("DescribeModel", {"model.dir": exported, "sidecar": True}, Log())
    assert described(exported)["serving"] == first
    serve(made["image"], exported, tmp_path / "served.tif")
    assert contents(tmp_path / "served.tif") == contents(made["out"])


@pytest.mark.parametrize("pixel", ["uint8", ""], ids=["whole numbers", "real numbers"])
def test_command_lines_of_otbtf_mean_what_they_meant(made: dict[str, Any], tmp_path: Path, pixel: str) -> None:
    out = tmp_path / "otbtf.tif"
    command = f"otbcli_TensorflowModelServe -source1.il {made['image']} -source1.rfieldx 16 -source1.rfieldy 16 "
    command += f"-model.dir {made['model.saveto']} -output.names classes -out {out} {pixel}"
    found = json.loads(registry.run("RunCommandLine", {"command": command}, Log())["results"])
    assert [row["name"] for row in found[0]["classes"]] == ["2", "3", "7"]
    dataset = gdal.Open(str(out))
    assert dataset.GetRasterBand(1).DataType == (gdal.GDT_Byte if pixel else gdal.GDT_Float32)
    assert (dataset.RasterXSize, dataset.RasterYSize) == (COLUMNS - 15, ROWS - 15), "without padding"
    assert {value: entry.color for value, entry in raster_legend(dataset).items()} == {
        value: entry.color for value, entry in raster_legend(gdal.Open(made["out"])).items()
    }


def test_features_are_those_that_a_classifier_has_learned_from(made: dict[str, Any], tmp_path: Path) -> None:
    """How the network was applied in training is kept with the classifier."""
    network, classifier = made["model.saveto"], str(tmp_path / "c.skops")
    values = {
        "source1.il": [made["image"]],
        "vd": made["polygons"],
        "sample.vfn": "class",
        "classifier": "rf",
        "rand": 1,
    }
    geometry = {"deepmodel.fullyconv": "off", "output.spcscale": 2, "source1.rfieldx": 16, "source1.rfieldy": 16}
    given = {**values, **geometry, "model.dir": network, "out": classifier, "padding": "none"}
    given["model.fullyconv"] = given.pop("deepmodel.fullyconv")
    registry.run("TrainClassifierFromDeepFeatures", given, Log())
    out = str(tmp_path / "deep.tif")
    mapped = {
        "source1.il": [made["image"]],
        "deepmodel.dir": network,
        "model": classifier,
        "padding": "none",
        "out": out,
    }
    registry.run("ImageClassifierFromDeepFeatures", mapped, Log())
    dataset = gdal.Open(out)
    assert dataset.GetGeoTransform()[1] == 20
    assert {entry.name for entry in raster_legend(dataset).values()} == set(CLASSES)
