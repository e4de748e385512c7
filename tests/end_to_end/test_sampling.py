"""The sampling algorithms through qgis_process: recorded runs of OTBTF, and a model that chains them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import application
import numpy as np
import pytest
from osgeo import gdal

SELECTION = ("lis_constant", "lis_smallest")
EXTRACTION = ("pe_16", "pe_2src", "pe_nodata")


def recorded(shared: Path, name: str) -> tuple[dict[str, Any], dict[str, Path]]:
    """Return the parameters of a recorded run, with full input paths, and its expected outputs by key."""
    folder = shared / "oracle"
    (case,) = [c for c in json.loads((folder / "cases.json").read_text()) if c["name"] == name]
    parameters = {
        key: [str(folder / value) if value.startswith("in/") else value for value in values]
        for key, values in case["parameters"].items()
    }
    return parameters, {key: folder / path for key, path in case["expected"].items()}


def named(key: str) -> str:
    return key.upper().replace(".", "_")


@pytest.mark.parametrize("name", SELECTION)
def test_points_are_otbtfs(qgis: Any, shared: Path, tmp_path: Path, name: str) -> None:
    parameters, expected = recorded(shared, name)
    out = str(tmp_path / "points.gpkg")
    given = {named(key): values[0] for key, values in parameters.items()}
    results = qgis.run("otbtf:labelimagesampleselection", {**given, "OUTVEC": out})
    want = np.load(expected["outvec"])["points"]
    dataset = gdal.OpenEx(out, gdal.OF_VECTOR)
    layer = dataset.GetLayer(0)
    got = [(f.GetGeometryRef().GetX(), f.GetGeometryRef().GetY(), f.GetField("class")) for f in layer]
    assert results["SAMPLES"] == len(want)
    assert np.allclose(got, want, atol=1e-6)


@pytest.mark.parametrize("name", EXTRACTION)
def test_patches_are_otbtfs(qgis: Any, shared: Path, tmp_path: Path, name: str) -> None:
    parameters, expected = recorded(shared, name)
    given: dict[str, Any] = {"NODATA_FROM_LAYER": "off"}
    for key, values in parameters.items():
        given[named(key)] = values if key.endswith(".il") else values[0]
    for key in expected:
        given[named(key)] = str(tmp_path / f"{key}.tif")
    qgis.run("otbtf:patchesextraction", given)
    for key, path in expected.items():
        got, want = gdal.Open(given[named(key)]).ReadAsArray(), np.load(path)["array"]
        assert np.array_equal(got.reshape(want.shape), want)


CHAIN = """
from qgis.core import (
    QgsProcessingModelAlgorithm, QgsProcessingModelChildAlgorithm as Child,
    QgsProcessingModelChildParameterSource as Source,
    QgsProcessingModelOutput, QgsProcessingModelParameter, QgsProcessingParameterRasterLayer,
)
model = QgsProcessingModelAlgorithm("chain", "tests")
for name in ("labels", "fine", "coarse"):
    model.addModelParameter(QgsProcessingParameterRasterLayer(name, name), QgsProcessingModelParameter(name))

def child(identifier, algorithm, values, outputs):
    step = Child(algorithm)
    step.setChildId(identifier)
    step.setDescription(identifier)
    sources = {name: value(default) for name, default in shown(algorithm).items()}
    for key, source in {**sources, **values}.items():
        step.addParameterSources(key, [source])
    step.setModelOutputs({name: made(identifier, name) for name in outputs})
    model.addChildAlgorithm(step)

def made(identifier, name):
    output = QgsProcessingModelOutput(name, name)
    output.setChildId(identifier)
    output.setChildOutputName(name)
    return output

value, given_by = Source.fromStaticValue, Source.fromModelParameter
child("samples", "otbtf:labelimagesampleselection", {
    "INREF": given_by("labels"), "STRATEGY": value("constant"), "STRATEGY_CONSTANT_NB": value(20),
    "STRATEGY_TOTAL_V": value(1000), "PAD": value(20), "NODATA_FROM_LAYER": value(True),
}, ["OUTVEC"])
child("patches", "otbtf:patchesextraction", {
    "SOURCE1_IL": given_by("fine"), "SOURCE1_PATCHSIZEX": value(16), "SOURCE1_PATCHSIZEY": value(16),
    "SOURCE1_OUT_PIXELTYPE": value("auto"), "SOURCE2_IL": given_by("coarse"), "SOURCE2_PATCHSIZEX": value(8),
    "SOURCE2_PATCHSIZEY": value(8), "SOURCE2_OUT_PIXELTYPE": value("auto"),
    "VEC": Source.fromChildOutput("samples", "OUTVEC"), "FIELD": value("class"), "NODATA_FROM_LAYER": value(True),
    "OUTLABELS_PIXELTYPE": value("auto"),
}, ["SOURCE1_OUT", "SOURCE2_OUT", "OUTLABELS"])
assert model.toFile(given["model"])
stored = QgsProcessingModelAlgorithm()
assert stored.fromFile(given["model"])
assert stored.validate() == (True, []), stored.validate()
parameters = {name: given[name] for name in ("labels", "fine", "coarse")}
for output in stored.destinationParameterDefinitions():  # 3.22 and 3.40 give them other names
    extension = "gpkg" if output.description() == "OUTVEC" else "tif"
    parameters[output.name()] = f"{given['out']}/{output.description()}.{extension}"
print("RESULTS", sorted(processing.run(stored, parameters)))
"""


def test_a_stored_model_chains_labels_samples_and_patches(qgis: Any, shared: Path, tmp_path: Path) -> None:
    folder = shared / "oracle" / "in"
    given = {"labels": str(folder / "labels.tif"), "fine": str(folder / "im10.tif"), "coarse": str(folder / "im20.tif")}
    given.update({"model": str(tmp_path / "chain.model3"), "out": str(tmp_path)})
    printed = application.run(qgis.environment, CHAIN, given)
    assert "RESULTS" in printed
    dataset = gdal.OpenEx(str(tmp_path / "OUTVEC.gpkg"), gdal.OF_VECTOR)
    count = dataset.GetLayer(0).GetFeatureCount()
    assert count > 100
    labels = gdal.Open(str(tmp_path / "OUTLABELS.tif"))
    assert (labels.RasterXSize, labels.RasterYSize) == (1, count)
    classes = [feature.GetField("class") for feature in dataset.GetLayer(0)]
    assert labels.ReadAsArray().reshape(-1).tolist() == classes
    fine, coarse = (gdal.Open(str(tmp_path / f"SOURCE{n}_OUT.tif")) for n in (1, 2))
    assert (fine.RasterXSize, fine.RasterYSize, fine.RasterCount) == (16, 16 * count, 4)
    assert (coarse.RasterXSize, coarse.RasterYSize, coarse.RasterCount) == (8, 8 * count, 6)


def test_bad_input_ends_with_a_sentence_and_writes_nothing(qgis: Any, shared: Path, tmp_path: Path) -> None:
    folder = shared / "oracle" / "in"
    given = {
        "SOURCE1_IL": str(folder / "im10.tif"),
        "SOURCE1_PATCHSIZEX": 16,
        "SOURCE1_PATCHSIZEY": 16,
        "SOURCE1_OUT": str(tmp_path / "p.tif"),
        "VEC": str(folder / "polygons.gpkg"),
        "FIELD": "class",
    }
    done = qgis.attempt("otbtf:patchesextraction", given)
    assert done.returncode != 0
    assert "otbtf:sampleselection" in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []
