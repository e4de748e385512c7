"""A detector from its training to its assessment: objects as points, on an image of discs and squares."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from points import write_points
from serving import ORIGIN, Log, read, write

from otbtf_qgis.core import registry
from otbtf_qgis.core.classes.modelclasses import ModelClass
from otbtf_qgis.core.errors import OtbtfError
from otbtf_qgis.core.training.detectiontargets import warn_of_other_objects

pytest.importorskip("tensorflow")

HEIGHT, WIDTH, HALF = 224, 448, 224
"""The western half is for training, the eastern is held back."""

DISC, SQUARE = 3, 7
PATCH, STEP, STRIDE = 48, 22, 2


def drawn(count: int, seed: int = 0) -> tuple[np.ndarray, list[tuple[int, int, int, int]], list[int]]:
    """Draw discs and squares of 7 to 17 pixels that do not touch, on noise.

    Returns:
        Pixels of shape (HEIGHT, WIDTH, 2); edges x1, y1, x2, y2 and class of each object.
    """
    random = np.random.default_rng(seed)
    image, taken = random.normal(100, 10, (HEIGHT, WIDTH, 2)), np.zeros((HEIGHT, WIDTH), bool)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    edges, classes = [], []
    while len(edges) < count:
        radius, kind = int(random.integers(3, 9)), (DISC, SQUARE)[len(edges) % 2]
        row, column = int(random.integers(radius, HEIGHT - radius)), int(random.integers(radius, WIDTH - radius))
        down, right = abs(rows - row), abs(columns - column)
        shape = down**2 + right**2 <= (radius + 0.5) ** 2 if kind == DISC else np.maximum(down, right) <= radius
        around = np.maximum(down, right) <= radius + 2
        if not taken[around].any():
            taken |= around
            image[shape] += 60, (20 if kind == DISC else 40)
            edges.append((column - radius, row - radius, column + radius + 1, row + radius + 1))
            classes.append(kind)
    return image.clip(0, 255).astype("uint8"), edges, classes


def on_ground(edges: tuple[float, float, float, float]) -> str:
    """Return edges in pixels as a polygon in map coordinates."""
    x1, x2 = (ORIGIN[0] + 10 * edge for edge in edges[::2])
    y1, y2 = (ORIGIN[3] - 10 * edge for edge in edges[1::2])
    return f"POLYGON (({x1} {y1}, {x2} {y1}, {x2} {y2}, {x1} {y2}, {x1} {y1}))"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Image and objects, and a detector trained on the western half."""
    folder = tmp_path_factory.mktemp("trained")
    image, edges, classes = drawn(170)
    scene = write(folder / "image.tif", image)
    every = write_points(folder / "objects.gpkg", [on_ground(each) for each in edges], **{"class": classes})
    places = [
        (ORIGIN[0] + 10 * column, ORIGIN[3] - 10 * row)
        for row in range(PATCH // 2, HEIGHT - PATCH // 2 + 1, STEP)
        for column in range(PATCH // 2, HALF - PATCH // 2 + 1, STEP)
    ]
    points = write_points(folder / "points.gpkg", places, **{"class": [0] * len(places)})
    cut = registry.run(
        "PatchesExtraction",
        {
            "source1.il": [scene],
            "source1.patchsizex": PATCH,
            "source1.patchsizey": PATCH,
            "source1.out": str(folder / "patches.tif"),
            "vec": points,
            "field": "class",
            "objects": every,
            "objects.field": "class",
            "objects.stride": STRIDE,
            "out.objects": str(folder / "maps.tif"),
        },
    )
    results = registry.run(
        "TensorflowModelTrain",
        {
            "model.dir": "template:detector",
            "width": 10,
            "depth": 2,
            "training.source1.il": [cut["source1.out"]],
            "training.source2.il": [cut["out.objects"]],
            "training.epochs": 12,
            "training.batchsize": 8,
            "learning_rate": 0.004,
            "schedule": "cosine",
            "augmentation": "flips_turns",
            "validation.share": 0.0,
            "model.saveto": str(folder / "saved"),
            "out.keras": str(folder / "detector.keras"),
            "out.report": str(folder / "report.html"),
        },
    )
    return SimpleNamespace(
        folder=folder, scene=scene, edges=edges, classes=classes, every=every, cut=cut, results=results
    )


def test_held_back_objects_are_found(trained: SimpleNamespace, tmp_path: Path) -> None:
    east, end = ORIGIN[0] + 10 * HALF, ORIGIN[0] + 10 * WIDTH
    held_back = [number for number, each in enumerate(trained.edges) if each[0] >= HALF]
    reference = write_points(
        tmp_path / "reference.gpkg",
        [on_ground(trained.edges[number]) for number in held_back],
        **{"class": [trained.classes[number] for number in held_back]},
    )
    for model in (trained.results["out.keras"], trained.results["model.saveto"]):
        found = registry.run(
            "DetectObjects",
            {
                "il": [trained.scene],
                "model.dir": model,
                "score": 0.3,
                "tilesize": 128,
                "extent": f"{east},{end},{ORIGIN[3] - 10 * HEIGHT},{ORIGIN[3]}",
                "out": str(tmp_path / f"{Path(model).stem}.gpkg"),
            },
        )
        assert {row["value"] for row in json.loads(found["legend"])} == {DISC, SQUARE}
        scores = registry.run(
            "AssessDetections",
            {
                "in": found["out"],
                "ref": reference,
                "ref.field": "class",
                "iou": 0.5,
                "score": 0.3,
                "out": str(tmp_path / "scores.csv"),
            },
        )
        assert scores["f1"] > 0.8


def test_other_classes_of_a_further_training_are_told(trained: SimpleNamespace) -> None:
    model, log = str(trained.folder / "detector.keras"), Log()
    same = (ModelClass(DISC), ModelClass(SQUARE))
    warn_of_other_objects(same, model, "detection_maps", log)
    assert log.warnings == []
    warn_of_other_objects((ModelClass(DISC), ModelClass(8, "oak")), model, "detection_maps", log)
    (warning,) = log.warnings
    assert f"finds {DISC}, {SQUARE}, but the detection maps have {DISC}, oak" in warning


def test_tiles_that_the_model_does_not_take_name_their_size(trained: SimpleNamespace, tmp_path: Path) -> None:
    values = {"il": [trained.scene], "model.dir": trained.results["model.saveto"], "tilesize": 50}
    with pytest.raises(OtbtfError, match="cannot compute tiles of 50 x 50 pixels: .* Set TILESIZE to another size"):
        registry.run("DetectObjects", {**values, "out": str(tmp_path / "found.gpkg")}, Log())
    assert list(tmp_path.iterdir()) == []


def test_the_report_and_the_description_say_what_it_is(trained: SimpleNamespace) -> None:
    log = Log()
    found = registry.run("DescribeModel", {"model.dir": trained.results["model.saveto"]}, log)
    assert "centernet (detection_maps)" in log.text
    item = json.loads((Path(trained.results["model.saveto"]) / "mlm.json").read_text(encoding="utf-8"))
    assert item["properties"]["mlm:tasks"] == ["object-detection"]
    assert (found["verdict"], found["parameters"]) == ("detector", "")  # Serve refuses it, as all detectors
    assert "centernet" in (trained.folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"target": "patches.tif"}, "which are no detection maps for patches of 48 x 48"),
        ({"loss": "mse"}, "which learns by the loss centernet"),
        ({"metrics": "mae"}, "detectors have no metrics"),
        ({"validation.mode": "class"}, "no class for each cell"),
        ({"calibrate": True, "validation.source1.il": "patches.tif", "validation.source2.il": "same"}, "probabilities"),
        ({"model.dir": "detector.keras", "target": "other"}, "the maps need one band more"),
        ({"validation.source1.il": "patches.tif", "validation.source2.il": "renamed"}, "layers of the same classes"),
    ],
)
def test_bad_training_is_refused(
    values: dict[str, Any], message: str, trained: SimpleNamespace, tmp_path: Path
) -> None:
    patches, maps = str(trained.folder / "patches.tif"), Path(trained.cut["out.objects"])
    files = {"patches.tif": patches, "detector.keras": trained.results["out.keras"], "same": str(maps)}
    files["renamed"] = write(tmp_path / "renamed.tif", read(maps))
    told = json.loads(Path(f"{maps}.json").read_text(encoding="utf-8"))
    told["classes"] = [{"value": DISC}, {"value": SQUARE + 1}]
    Path(f"{files['renamed']}.json").write_text(json.dumps(told), encoding="utf-8")
    files["other"] = write(tmp_path / "other.tif", read(maps)[..., 1:])
    told["bands"], told["classes"] = told["bands"] - 1, [{"value": 1}]
    told["statistics"] = told["statistics"][1:]
    Path(f"{files['other']}.json").write_text(json.dumps(told), encoding="utf-8")
    given = {key: files.get(value, value) if isinstance(value, str) else value for key, value in values.items()}
    for key in ("validation.source1.il", "validation.source2.il"):
        if key in given:
            given[key] = [given[key]]
    given["training.source2.il"] = [given.pop("target", str(maps))]
    with pytest.raises(OtbtfError, match=message):
        registry.run(
            "TensorflowModelTrain",
            {
                "model.dir": "template:detector",
                "training.source1.il": [patches],
                "training.epochs": 1,
                "out.keras": str(tmp_path / "new.keras"),
                **given,
            },
        )
    assert not (tmp_path / "new.keras").exists()
