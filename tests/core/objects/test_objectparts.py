"""DetectObjects in parts: the same layer, warnings and report as in one piece, whatever the parts."""

from __future__ import annotations

import json
import os
import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import detectors
import numpy as np
import pytest
from osgeo import ogr
from serving import Log

from otbtf_qgis import core
from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import Cancelled, OtbtfError, ParameterError
from otbtf_qgis.core.files.staging import Staging
from otbtf_qgis.core.objects import imagedetection, objectparts
from otbtf_qgis.core.operations.detectobjects import DetectObjects
from otbtf_qgis.core.parts.partnotes import PartNote
from otbtf_qgis.core.parts.partsfolder import PartsFolder

pytest.importorskip("tensorflow")

SIZE = 400


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Values of runs, each with something to warn of."""
    folder = tmp_path_factory.mktemp("inputs")
    image, _ = detectors.drawn_discs(SIZE, 60, (4, 23))
    discs = {"il": [detectors.scene(folder / "discs.tif", image + np.float32(0.25))]}
    discs["model.dir"] = detectors.segments_detector(folder, masks=True)
    rows = np.array([[[8, 8, 20, 20, 0.9, 0], [30, 30, 40, 40, 0.8, 0], [7, 9, 21, 20, 0.9, 1]]])
    full = {"il": [detectors.scene(folder / "empty.tif", np.zeros((200, 150, 3), "uint8"))]}
    full["images.scaling"] = "off"
    full["model.dir"] = detectors.fixed_outputs(folder / "full.onnx", (1, 3, 64, 64), {"output0": rows})
    bare = {**full, "geometry": "outlines"}
    masks = np.ones((1, 2, 8, 8)) * [[[[1.0]], [[0.1]]]]  # the second one is empty
    outputs = {"boxes": [[[0.1, 0.1, 0.3, 0.3], [0.5, 0.5, 0.7, 0.8]]], "scores": [[0.9, 0.8]], "classes": [[1, 2]]}
    arrays = {f"detection_{name}": np.array(values) for name, values in outputs.items()}
    bare["model.dir"] = detectors.fixed_outputs(
        folder / "bare.onnx", (1, 3, 64, 64), {**arrays, "num_detections": np.array([2]), "detection_masks": masks}
    )
    mask = np.zeros((SIZE, SIZE, 1), "uint8")
    mask[:, 170:] = 1
    return {
        "trial": {**discs, "tilesize": 128},
        "cut": {**discs, "tilesize": 96, "overlap": 10},
        "extent and mask": {
            **discs,
            **{"tilesize": 96, "overlap": 48, "extent": "301000,303800,3997500,3999000"},
            "mask": detectors.scene(folder / "mask.tif", mask),
        },
        "outlines": {**discs, "tilesize": 96, "overlap": 10, "geometry": "outlines"},
        "points": {**discs, "tilesize": 96, "overlap": 48, "geometry": "points"},
        "empty masks": bare,
        "full": full,
        "none": {**discs, "tilesize": 128, "score": 0.99},
    }


def run(values: dict[str, Any], out: Path, cluster: Any = None, **more: Any) -> SimpleNamespace:
    log = more.pop("log", None) or Log()
    given = {**values, "out": str(out), **{key.replace("__", "."): value for key, value in more.items()}}
    return SimpleNamespace(results=core.run("DetectObjects", given, log, cluster=cluster), log=log)


def content(path: Path) -> Any:
    """All that a user has of a layer: features in their order, fields, coordinate system, and the file with the classes."""
    dataset = ogr.Open(str(path))
    layer = dataset.GetLayer(0)
    features = [
        (each.GetFID(), list(each.items().items()), bytes(each.GetGeometryRef().ExportToWkb())) for each in layer
    ]
    legend = path.with_name(path.name + ".json")
    fields = [(each.GetName(), each.GetType()) for each in layer.schema]
    told = legend.read_text().replace(path.name, "OUT") if legend.exists() else None
    return features, fields, layer.GetSpatialRef().ExportToWkt(), told


def numbers(results: dict[str, Any]) -> dict[str, Any]:
    return {name: results[name] for name in ("objects", "classes", "overlap", "legend")}


def same(found: SimpleNamespace, whole: SimpleNamespace) -> None:
    assert content(Path(found.results["out"])) == content(Path(whole.results["out"]))
    assert found.log.warnings == whole.log.warnings
    assert numbers(found.results) == numbers(whole.results)
    assert found.results["parts.missing"] == 0


EXPECTED = {
    "trial": ["have fractions"],
    "cut": ["touch the edges of all tiles", "have fractions"],
    "extent and mask": ["have fractions"],
    "outlines": ["touch the edges of all tiles", "have fractions"],
    "points": ["have fractions"],
    "empty masks": ["as many objects as it can", "an empty mask"],
    "full": ["as many objects as it can"],
    "none": ["the layer is empty", "have fractions"],
}


@pytest.mark.parametrize("case", EXPECTED)
def test_runs_that_share_the_parts(inputs: dict[str, dict[str, Any]], tmp_path: Path, case: str) -> None:
    """In any order; the last one writes the layer, and warns of what all have counted."""
    whole = run(inputs[case], tmp_path / "whole.gpkg")
    assert len(whole.log.warnings) == len(EXPECTED[case]), whole.log.warnings
    assert all(words in warning for words, warning in zip(EXPECTED[case], whole.log.warnings)), whole.log.warnings
    for part in ("2/3", "0/3"):
        found = run(inputs[case], tmp_path / "objects.gpkg", part=part)
        assert found.results["out"] is None and found.results["parts.missing"] > 0
        assert found.log.warnings == [] and "objects" not in found.results
        assert found.results["overlap"] == whole.results["overlap"]
        assert not (tmp_path / "objects.gpkg").exists() and "still holds" not in found.log.text
    found = run(inputs[case], tmp_path / "objects.gpkg", part="1/3")
    same(found, whole)
    assert found.results["parts.done"] >= 3 and "still holds the parts" in found.log.text
    assert found.log.fractions == sorted(found.log.fractions) and found.log.fractions[-1] == 1.0


@pytest.mark.parametrize("case", ["trial", "cut"])
def test_boxes_of_parts_are_those_of_one_run(
    inputs: dict[str, dict[str, Any]], tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit by bit and in the order of tiles, before the suppression, for parts of several sizes."""
    kept: list[Any] = []

    def write(layer: Any, detector: Any, boxes: np.ndarray, *_: Any) -> dict[str, Any]:
        kept.append((boxes, detector.counts()))
        return {}

    monkeypatch.setattr(objectparts.ObjectLayer, "write", write)
    given = registry.read(DetectObjects, {**inputs[case], "out": str(tmp_path / "objects.gpkg")})
    work, output, folder = objectparts.ObjectParts(given, Progress()), objectparts.ObjectOutput(given), tmp_path
    plan = output.planned(given, work, {}, 1, None, Progress())
    lattice = work.opened.lattice(plan.way["overlap"])
    expected, counts = work.opened.found(lattice, lattice.box, [], Progress()).boxes, work.opened.detector.counts()
    assert min(plan.box.width, plan.box.height) > 3 and len(expected) > 60 and counts["fractions"] > 0
    for part in ((1, 2), (3, 2), (2, plan.box.height)):
        made = replace(plan, part=part)
        parts = PartsFolder(str(folder / f"{part[0]}.gpkg"))
        parts.make()
        maker = output.followed(work, parts, made, Progress())
        with maker.whole(Progress()) as whole:
            for number in random.Random(1).sample(range(len(made.parts)), len(made.parts)):
                with Staging(str(parts.part(number, made.files[0])), Progress()) as place:
                    note = PartNote.of(made, [], maker.make(number, [place], Progress()), 0)
                    place.commit()
                whole.arrived(number, note, Progress())
            whole.finish(Progress())
        found, counted = kept.pop()
        np.testing.assert_array_equal(found, expected)
        assert counted == counts


@pytest.mark.parametrize("case", ["trial", "outlines"])
def test_threads(inputs: dict[str, dict[str, Any]], tmp_path: Path, case: str) -> None:
    """Of this process; `test_partsoncluster` has the workers of Dask."""
    whole = run(inputs[case], tmp_path / "whole.gpkg", out__report=str(tmp_path / "whole.html"))
    report = str(tmp_path / "objects.html")
    with ThreadPoolExecutor(2) as executor:
        found = run(inputs[case], tmp_path / "objects.gpkg", executor, cluster__partsize=130, out__report=report)
    same(found, whole)
    assert found.results["parts.done"] > 4 and found.results["out.report"] == report
    texts = [Path(each.results["out.report"]).read_text(encoding="utf-8") for each in (found, whole)]
    assert [text[: text.index("Parameters")] for text in texts][0] == texts[1][: texts[1].index("Parameters")]
    assert {path.name.split(".")[0] for path in tmp_path.iterdir()} == {"whole", "objects"}
    assert not (tmp_path / "objects.parts").exists()


def test_resuming(inputs: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    """A run that was cancelled goes on with the next part, and computes again what is damaged."""

    class Impatient(Log):
        def cancelled(self) -> bool:
            return bool(self.fractions) and self.fractions[-1] > 0.5

    out, values = tmp_path / "objects.gpkg", inputs["trial"]
    run(values, out, part="1/4")
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(Cancelled):
        run(values, out, resume=True, log=Impatient())
    assert {path.name for path in tmp_path.iterdir()} == before and not list((tmp_path / "objects.parts").glob(".*"))
    done = sorted((tmp_path / "objects.parts").glob("*.json"))
    assert len(done) > 2  # the plan, that of the first run, and one more
    damaged = tmp_path / "objects.parts" / "part-00001.boxes.npz"
    content_before = damaged.read_bytes()
    damaged.write_bytes(content_before[:-30] + b"x" * 30)
    found = run(values, out, resume=True)
    same(found, run(values, tmp_path / "whole.gpkg"))
    assert damaged.read_bytes()[-30:] != b"x" * 30


def test_a_damaged_part_is_no_layer(inputs: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    """Without RESUME, only the sizes of files are compared."""
    out, values = tmp_path / "objects.gpkg", inputs["cut"]
    run(values, out, part="0/2")
    damaged = tmp_path / "objects.parts" / "part-00000.boxes.npz"
    damaged.write_bytes(b"x" * damaged.stat().st_size)
    with pytest.raises(OtbtfError, match="part-00000.boxes.npz is damaged: run again with RESUME"):
        run(values, out, part="1/2")
    assert not out.exists() and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"overlap": 64}, r"OVERLAP \(there nothing, here 64\)"),
        ({"score": 0.6}, r"SCORE \(there 0.5, here 0.6\)"),
        ({"iou": 0.4}, "IOU"),
        ({"classes": "1"}, "CLASSES"),
        ({"tilesize": 160}, "TILESIZE"),
    ],
)
def test_parts_of_another_run(
    inputs: dict[str, dict[str, Any]], tmp_path: Path, changed: dict[str, Any], told: str
) -> None:
    """A part of another overlap is none of this run, also where the overlap is that of the trial."""
    out = tmp_path / "objects.gpkg"
    run(inputs["trial"], out, part="0/2")
    with pytest.raises(ParameterError, match=f"holds the parts of another run. What differs: {told}"):
        run({**inputs["trial"], **changed}, out, part="1/2")


def test_parts_of_other_inputs(inputs: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    """Of another image, and of a model whose classes have got names: CLASSES may name these."""
    image, model = tmp_path / "image.tif", tmp_path / "model"
    shutil.copy(inputs["cut"]["il"][0], image)
    shutil.copytree(inputs["cut"]["model.dir"], model)
    values, out = {**inputs["cut"], "il": [str(image)], "model.dir": str(model)}, tmp_path / "objects.gpkg"
    run(values, out, part="0/2")
    legend = {"classes": [{"value": 1, "name": "oak"}]}
    labels = detectors.scene(tmp_path / "labels.tif", np.ones((4, 4, 1), "uint8"))
    (tmp_path / "labels.tif.json").write_text(json.dumps(legend))
    registry.run("DescribeModel", {"model.dir": str(model), "classes": labels, "sidecar": True}, Log())
    with pytest.raises(ParameterError, match=r"the names of the model's classes \(there nothing, here 1 oak\)"):
        run(values, out, part="1/2")
    os.utime(image, (1, 1))
    with pytest.raises(ParameterError, match=r"IL \(there image.tif of .* changed at 1"):
        run({**values, "model.dir": inputs["cut"]["model.dir"]}, out, part="1/2")


def test_parts_without_masks(inputs: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    run(inputs["cut"], tmp_path / "objects.gpkg", part="0/2")
    with pytest.raises(ParameterError, match=r"What differs: GEOMETRY \(there \"boxes\", here \"outlines\"\)"):
        run(inputs["outlines"], tmp_path / "objects.gpkg", part="1/2")


def test_too_many_boxes(inputs: dict[str, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part has few enough."""
    run(inputs["cut"], tmp_path / "objects.gpkg", part="0/2")
    monkeypatch.setattr(imagedetection, "MOST_BOXES", 50)
    with pytest.raises(
        ParameterError, match="More than 50 boxes have a score of SCORE .0.5. or more after 36 of 36 tiles"
    ):
        run(inputs["cut"], tmp_path / "objects.gpkg", part="1/2")
    assert not (tmp_path / "objects.gpkg").exists()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"part": "1/2", "cluster": "local:2"}, "PART and CLUSTER are both given"),
        ({"part": "one"}, "PART is 'one'"),
        ({"cluster.partsize": 64}, "CLUSTER_PARTSIZE"),
        ({"part": "0/2", "out": "/vsimem/x.gpkg"}, "PART is given, but OUT is /vsimem/x.gpkg"),
        ({"resume": True, "images.pixelsize": "resample"}, "IMAGES_PIXELSIZE is resample"),
    ],
)
def test_bad_input(inputs: dict[str, dict[str, Any]], tmp_path: Path, values: dict[str, Any], told: str) -> None:
    with pytest.raises(OtbtfError, match=told):
        registry.run("DetectObjects", {**inputs["trial"], "out": str(tmp_path / "objects.gpkg"), **values}, Log())
    assert not (tmp_path / "objects.gpkg").exists()
