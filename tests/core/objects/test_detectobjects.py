"""DetectObjects: from an image to a layer in which each object is once, wherever tiles meet."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import detectors
import numpy as np
import pytest
from osgeo import ogr
from serving import ORIGIN, UTM, Log, write

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import Cancelled, ModelError, OtbtfError
from otbtf_qgis.core.objects import imagedetection

pytest.importorskip("tensorflow")

SIZE = 400


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """An image of discs of up to 47 pixels, their edges, and a detector that finds each exactly."""
    folder = tmp_path_factory.mktemp("drawn")
    image, edges = detectors.drawn_discs(SIZE, 60, (4, 23))
    return SimpleNamespace(
        image=image,
        edges=edges,
        path=detectors.scene(folder / "image.tif", image),
        model=detectors.segments_detector(folder),
    )


def run(folder: Path, image: str, model: str, out: str = "out.gpkg", **values: Any) -> SimpleNamespace:
    log = values.pop("log", None) or Log()
    given = {"il": [image], "model.dir": model, "out": str(folder / out), **values}
    results = registry.run("DetectObjects", given, log)
    dataset = ogr.Open(results["out"])
    features = [
        {**feature.items(), "shape": feature.GetGeometryRef().Clone()} for feature in (dataset.GetLayer(0) or ())
    ]
    return SimpleNamespace(features=features, results=results, log=log)


def edges_of(found: SimpleNamespace) -> set[tuple[int, int, int, int]]:
    """Return x1, y1, x2, y2 in pixels of each object, checked to be whole numbers."""
    edges = set()
    for feature in found.features:
        left, right, low, high = feature["shape"].GetEnvelope()
        exact = (left - ORIGIN[0]) / 10, (ORIGIN[3] - high) / 10, (right - ORIGIN[0]) / 10, (ORIGIN[3] - low) / 10
        assert np.allclose(exact, np.rint(exact), atol=1e-3)
        edges.add(tuple(int(round(number)) for number in exact))
    assert len(edges) == len(found.features)  # none twice
    return edges


@pytest.mark.parametrize(("tile", "overlap"), [(96, 48), (128, 64), (150, 48), (2048, 64)])
def test_each_object_is_found_once_whatever_the_tiles(
    tile: int, overlap: int, drawn: SimpleNamespace, tmp_path: Path
) -> None:
    found = run(tmp_path, drawn.path, drawn.model, tilesize=tile, overlap=overlap)
    assert edges_of(found) == set(drawn.edges.values())
    assert found.results["objects"] == len(drawn.edges)
    assert found.log.warnings == []


def test_the_overlap_follows_from_the_objects_of_a_trial(drawn: SimpleNamespace, tmp_path: Path) -> None:
    found = run(tmp_path, drawn.path, drawn.model, tilesize=160)
    assert edges_of(found) == set(drawn.edges.values())
    assert found.results["overlap"] == 64  # the largest of 47 pixels need no more
    assert "Overlap of tiles: 64 pixels" in found.log.text


def test_fields_and_legend(drawn: SimpleNamespace, tmp_path: Path) -> None:
    found = run(tmp_path, drawn.path, drawn.model, **{"out.report": str(tmp_path / "report.html")})
    by_edges = {edges: number for number, edges in drawn.edges.items()}
    for feature in found.features:
        left, right, low, high = feature["shape"].GetEnvelope()
        edges = tuple(round(v / 10) for v in (left - ORIGIN[0], ORIGIN[3] - high, right - ORIGIN[0], ORIGIN[3] - low))
        number = by_edges[edges]
        assert feature["class"] == 1 + number % 3
        assert feature["score"] == pytest.approx(0.6 + number % 7 / 20, abs=1e-6)
        assert feature["pixels"] == pytest.approx((edges[2] - edges[0]) * (edges[3] - edges[1]), rel=1e-4)
        assert feature["area_m2"] == pytest.approx(feature["shape"].GetArea(), rel=2e-3)  # UTM's scale
    assert [row["value"] for row in json.loads(found.results["legend"])] == [1, 2, 3]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<h2" in page and ">60<" in page.replace("\u202f", "")
    scores = [feature["score"] for feature in found.features]
    assert scores == sorted(scores, reverse=True)


def test_score_and_classes_choose(drawn: SimpleNamespace, tmp_path: Path) -> None:
    found = run(tmp_path, drawn.path, drawn.model, tilesize=160, score=0.7, classes="2, 3")
    expected = {
        edges for number, edges in drawn.edges.items() if 0.6 + number % 7 / 20 > 0.699 and 1 + number % 3 in (2, 3)
    }
    assert edges_of(found) == expected


def test_an_extent_takes_the_objects_with_their_centre_in_it(drawn: SimpleNamespace, tmp_path: Path) -> None:
    extent = "301000,303000,3997500,3999000"  # columns 100 to 300, rows 100 to 250
    found = run(tmp_path, drawn.path, drawn.model, tilesize=96, overlap=48, extent=extent)
    expected = {
        edges
        for edges in drawn.edges.values()
        if 100 <= (edges[0] + edges[2]) / 2 < 300 and 100 <= (edges[1] + edges[3]) / 2 < 250
    }
    assert edges_of(found) == expected


@pytest.mark.parametrize("side", ["left", "right"])
def test_rounding_does_not_move_a_centre_over_the_edge_of_a_pixel(
    side: str, drawn: SimpleNamespace, tmp_path: Path
) -> None:
    image, edges = np.zeros((300, 300, 3), "uint16"), set()
    for number, row in enumerate(range(4, 290, 14), 1):
        image[row : row + 10, 145:155] = number, 1, 0
        edges.add((145, row, 155, row + 10))
    path = detectors.scene(tmp_path / "image.tif", image)
    within = np.zeros((300, 300, 1), "uint8")
    within[:, 150:] = 1
    mask = detectors.scene(tmp_path / "mask.tif", within if side == "right" else 1 - within)
    for limit in (
        {"mask": mask},
        {"extent": {"left": "300000,301500,0,4000000", "right": "301500,303000,0,4000000"}[side]},
    ):
        found = run(tmp_path, path, drawn.model, tilesize=101, overlap=40, **limit)
        assert edges_of(found) == (edges if side == "right" else set())


def test_a_mask_limits_by_the_centre(drawn: SimpleNamespace, tmp_path: Path) -> None:
    inside = np.zeros((SIZE, SIZE, 1), "uint8")
    inside[:, 170:] = 1
    mask = detectors.scene(tmp_path / "mask.tif", inside)
    found = run(tmp_path, drawn.path, drawn.model, tilesize=128, mask=mask)
    assert edges_of(found) == {edges for edges in drawn.edges.values() if (edges[0] + edges[2]) // 2 >= 170}


def test_no_object_is_an_empty_layer(drawn: SimpleNamespace, tmp_path: Path) -> None:
    found = run(tmp_path, drawn.path, drawn.model, score=0.95, **{"out.report": str(tmp_path / "report.html")})
    assert found.features == []
    assert found.results["objects"] == 0
    assert any("SCORE (0.95)" in warning for warning in found.log.warnings)


@pytest.mark.parametrize("masked", [True, False])
def test_an_image_of_which_nothing_is_computed_is_told_so(masked: bool, drawn: SimpleNamespace, tmp_path: Path) -> None:
    nothing = detectors.scene(tmp_path / "nothing.tif", np.zeros((SIZE, SIZE, 1 if masked else 3), "uint16"))
    given = (drawn.path, {"mask": nothing}) if masked else (nothing, {"nodata": 0})
    found = run(tmp_path, given[0], drawn.model, tilesize=128, **given[1])
    (warning,) = found.log.warnings
    named = "inside MASK" if masked else "no-data value (NODATA)"
    assert found.features == [] and warning.startswith("The image has no pixel with data") and named in warning


def test_boxes_larger_than_a_tile_are_told(tmp_path: Path) -> None:
    boxes = np.float32([[-40, -40, 100, 100], [10, 10, 20, 20]])
    outputs = {"boxes": boxes, "labels": np.int64([1, 1]), "scores": np.float32([0.9, 0.8])}
    model = detectors.fixed_outputs(tmp_path / "boxes.onnx", (3, 64, 64), outputs)
    found = run(tmp_path, detectors.scene(tmp_path / "image.tif", np.ones((64, 64, 3), "float32")), model)
    assert any(warning.startswith("1 object is larger than a tile of 64 x 64 pixels") for warning in found.log.warnings)


def test_a_template_is_no_model_yet(tmp_path: Path) -> None:
    image = detectors.scene(tmp_path / "image.tif", np.ones((64, 64, 3), "float32"))
    with pytest.raises(ModelError, match="template:detector is a template, not a trained model: train it first"):
        run(tmp_path, image, "template:detector")


def test_objects_larger_than_the_overlap_are_told(drawn: SimpleNamespace, tmp_path: Path) -> None:
    for overlap in (4, 0):
        found = run(tmp_path, drawn.path, drawn.model, tilesize=64, overlap=overlap)
        assert any("OVERLAP" in warning and "touch the edges" in warning for warning in found.log.warnings)


def test_each_object_is_found_once_even_if_all_may_overlap(drawn: SimpleNamespace, tmp_path: Path) -> None:
    found = run(tmp_path, drawn.path, drawn.model, tilesize=96, overlap=48, iou=1)
    assert edges_of(found) == set(drawn.edges.values())


def test_names_and_colours_of_yolo_reach_the_layer(tmp_path: Path) -> None:
    image = np.zeros((100, 150, 3), "uint8")
    image[10, 20, 0], image[70, 140, 1] = 204, 255
    path = detectors.scene(tmp_path / "image.tif", image)
    found = run(tmp_path, path, detectors.yolo_grid(tmp_path / "yolo.onnx"))
    objects = {(feature["name"], round(feature["score"], 3)) for feature in found.features}
    assert objects == {("tree", 0.8), ("car", 1.0)}
    assert {row["name"] for row in json.loads(found.results["legend"])} == {"tree", "car"}
    assert all(x2 - x1 == 8 and y2 - y1 == 8 for x1, y1, x2, y2 in edges_of(found))
    tree = next(feature for feature in found.features if feature["name"] == "tree")
    left, right, low, high = tree["shape"].GetEnvelope()
    assert left <= ORIGIN[0] + 205 <= right and low <= ORIGIN[3] - 105 <= high


def test_a_number_that_is_no_class_is_told(tmp_path: Path) -> None:
    path = detectors.scene(tmp_path / "image.tif", np.full((64, 64, 3), 255, "uint8"))
    found = run(tmp_path, path, detectors.yolo_grid(tmp_path / "yolo.onnx"), classes="7")
    assert found.features == []
    told, empty = (warning for warning in found.log.warnings if "CLASSES" in warning)
    assert told == "CLASSES names 7, but the model names only these classes: 0 tree, 1 car."
    assert empty.startswith("No object of CLASSES has a score of SCORE (0.5) or more")


def test_cancelling_leaves_nothing(drawn: SimpleNamespace, tmp_path: Path) -> None:
    class Impatient(Log):
        def cancelled(self) -> bool:
            return bool(self.fractions) and self.fractions[-1] > 0.3

    with pytest.raises(Cancelled):
        run(tmp_path, drawn.path, drawn.model, tilesize=96, log=Impatient())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"classes": "tree"}, "CLASSES"),
        ({"tilesize": 96, "overlap": 60}, "OVERLAP"),
        ({"output.names": "detection_boxes"}, "HEAD"),
        ({"head": "yolov8"}, "OUTPUT_NAMES"),
        ({"head": "yolov8", "output.names": "detection_boxes"}, "HEAD"),
        ({"head.scale": "pixels"}, "HEAD_SCALE"),
        ({"head.order": "cxcywh", "head.scale": "relative", "out": "/nowhere/x.gpkg"}, "OUT"),
        ({"extent": "0,1,0,1"}, "EXTENT"),
    ],
)
def test_bad_input(values: dict[str, Any], named: str, drawn: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(OtbtfError, match=named):
        run(tmp_path, drawn.path, drawn.model, **values)
    assert list(tmp_path.iterdir()) == []


def test_serve_points_here_and_this_points_to_serve(drawn: SimpleNamespace, tmp_path: Path) -> None:
    values = {"source1.il": [drawn.path], "model.dir": drawn.model, "out": str(tmp_path / "map.tif")}
    with pytest.raises(OtbtfError, match="is a detector .*otbtf:detectobjects"):
        registry.run("TensorflowModelServe", values, Log())
    yolo = detectors.yolo_grid(tmp_path / "yolo.onnx")
    with pytest.raises(OtbtfError, match="is a detector .*otbtf:detectobjects"):
        registry.run("TensorflowModelServe", {**values, "model.dir": yolo}, Log())
    with pytest.raises(OtbtfError, match="a SavedModel of TensorFlow 2, which cannot be trained"):
        patches = {f"training.source{number}.il": [drawn.path] for number in (1, 2)}
        training = {**patches, "model.dir": drawn.model, "loss": "mae", "model.saveto": str(tmp_path / "trained")}
        registry.run("TensorflowModelTrain", training, Log())
    maps = detectors.fixed_outputs(tmp_path / "maps.onnx", (1, 3, 64, 64), {"map": np.zeros((1, 2, 64, 64))})
    with pytest.raises(OtbtfError, match="returns maps .*otbtf:tensorflowmodelserve"):
        run(tmp_path, drawn.path, maps)


def test_describe_model_shows_a_detector_and_keeps_names_of_classes(drawn: SimpleNamespace, tmp_path: Path) -> None:
    model = detectors.segments_detector(tmp_path)
    labels = detectors.scene(tmp_path / "labels.tif", np.ones((4, 4, 1), "uint8"))
    legend = {"classes": [{"value": 1, "name": "oak", "color": "#112233"}, {"value": 2, "name": "fir"}]}
    (tmp_path / "labels.tif.json").write_text(json.dumps(legend))
    page = tmp_path / "model.html"
    values = {"model.dir": model, "classes": labels, "sidecar": True, "out.html": str(page)}
    results = registry.run("DescribeModel", values, Log())
    assert results["verdict"] == "detector"
    text = page.read_text(encoding="utf-8")
    assert all(word in text for word in ("<code>tensorflow</code>", "<code>yxyx</code>", "otbtf:detectobjects"))
    found = run(tmp_path, drawn.path, model, classes="Oak")
    assert {feature["name"] for feature in found.features} == {"oak"}
    rows = {row["value"]: row for row in json.loads(found.results["legend"])}
    assert rows == {1: {"value": 1, "name": "oak", "color": "#112233"}}


def test_boxes_in_an_unknown_order_are_refused_until_it_is_said(drawn: SimpleNamespace, tmp_path: Path) -> None:
    outputs = {"boxes": np.array([[[8, 8, 20, 10]]]), "confidence": np.array([[0.9]]), "labels": np.array([[0]])}
    model = detectors.fixed_outputs(tmp_path / "keras.onnx", (1, 3, 400, 400), outputs)
    with pytest.raises(OtbtfError, match="the order and the unit of its boxes: set HEAD_ORDER and HEAD_SCALE"):
        run(tmp_path, drawn.path, model)
    with pytest.raises(OtbtfError, match="HEAD_SCALE"):
        run(tmp_path, drawn.path, model, **{"head.order": "xywh"})
    found = run(tmp_path, drawn.path, model, **{"head.order": "xywh", "head.scale": "pixels"})
    assert edges_of(found) == {(8, 8, 28, 18)}


@pytest.mark.parametrize("names", [("logits", "pred_boxes"), ("cls_logits", "bbox_regression")])
def test_outputs_before_decoding_are_refused(names: tuple[str, str], drawn: SimpleNamespace, tmp_path: Path) -> None:
    scores, boxes = names  # of DETR, and of KerasHub's RetinaNet as it exports itself
    outputs = {scores: np.zeros((1, 60, 4)), boxes: np.zeros((1, 60, 4))}
    model = detectors.fixed_outputs(tmp_path / "raw.onnx", (1, 3, 64, 64), outputs)
    with pytest.raises(OtbtfError, match="each anchor or query .*export it with this step"):
        run(tmp_path, drawn.path, model)


def test_torchvision_takes_an_image_without_a_batch(drawn: SimpleNamespace, tmp_path: Path) -> None:
    outputs = {"boxes": np.array([[8, 8, 28, 18]]), "labels": np.array([1]), "scores": np.array([0.9])}
    model = detectors.fixed_outputs(tmp_path / "rcnn.onnx", (3, "h", "w"), outputs)
    found = run(tmp_path, drawn.path, model, tilesize=512)
    assert edges_of(found) == {(8, 8, 28, 18)}
    assert any("values from 0 to 1" in warning for warning in found.log.warnings)


def test_rows_from_south_to_north_and_other_formats(drawn: SimpleNamespace, tmp_path: Path) -> None:
    place = (ORIGIN[0], 10.0, 0.0, ORIGIN[3] - 10.0 * SIZE, 0.0, 10.0)
    image = write(tmp_path / "image.tif", drawn.image[::-1], place, UTM)
    found = run(tmp_path, image, drawn.model, "out.shp", tilesize=160)
    assert edges_of(found) == set(drawn.edges.values())


def test_an_image_without_a_place_has_objects_in_pixels(tmp_path: Path) -> None:
    image = np.zeros((64, 64, 3), "uint8")
    image[10, 20, 0] = 255
    path = write(tmp_path / "image.tif", image, (0.0, 1.0, 0.0, 0.0, 0.0, 1.0), None)
    found = run(tmp_path, path, detectors.yolo_grid(tmp_path / "yolo.onnx"))
    assert found.features[0]["shape"].GetEnvelope() == (16, 24, -16, -8)
    assert found.features[0]["area_m2"] is None
    assert any("no area in m2" in warning for warning in found.log.warnings)


def test_oriented_boxes_are_drawn_turned(tmp_path: Path) -> None:
    columns = np.zeros((1, 7, 84))
    columns[0, :, 5] = 32, 24, 20, 10, 0.1, 0.9, np.pi / 6
    metadata = {**detectors.ULTRALYTICS, "task": "obb"}
    model = detectors.fixed_outputs(tmp_path / "obb.onnx", (1, 3, 64, 64), {"output0": columns}, metadata=metadata)
    found = run(tmp_path, detectors.scene(tmp_path / "image.tif", np.zeros((64, 64, 3), "uint8")), model)
    (feature,) = found.features
    assert (feature["name"], round(feature["angle"], 4)) == ("car", 30)
    assert feature["pixels"] == pytest.approx(200)
    along, across = np.array([np.cos(np.pi / 6), np.sin(np.pi / 6)]), np.array([-np.sin(np.pi / 6), np.cos(np.pi / 6)])
    corners = [np.array([32, 24]) + a * 10 * along + b * 5 * across for a in (-1, 1) for b in (-1, 1)]
    expected = {(round(ORIGIN[0] + 10 * x, 3), round(ORIGIN[3] - 10 * y, 3)) for x, y in corners}
    ring = feature["shape"].GetGeometryRef(0).GetPoints()
    assert {(round(x, 3), round(y, 3)) for x, y in ring} == expected


def test_a_model_that_returns_all_it_can_is_told(tmp_path: Path) -> None:
    rows = np.array([[[8, 8, 20, 20, 0.9, 0], [30, 30, 40, 40, 0.8, 0]]])
    model = detectors.fixed_outputs(tmp_path / "full.onnx", (1, 3, 64, 64), {"output0": rows})
    image = detectors.scene(tmp_path / "image.tif", np.zeros((64, 64, 3), "uint8"))
    assert any("as many objects as it can" in warning for warning in run(tmp_path, image, model).log.warnings)
    assert not any("as it can" in warning for warning in run(tmp_path, image, model, score=0.85).log.warnings)


@pytest.mark.parametrize(
    ("more", "classes", "placeholders", "told"),
    [
        ([("other", 4, "uint8")], 1, "", r"needs other .* beside the image image.*MODEL_USERPLACEHOLDERS"),
        ([("least", 0, "float32")], 1, "", r"needs least .* beside the image image.*MODEL_USERPLACEHOLDERS"),
        ([("least", 0, "float32")], 1, "least=0.3", ""),
        ([], "oak", "", r"labels \(string, 1\) is not numbers.*HEAD and OUTPUT_NAMES"),
    ],
)
def test_a_detector_has_one_image_and_numbers(
    more: list[tuple[str, int, str]], classes: Any, placeholders: str, told: str, tmp_path: Path
) -> None:
    import tensorflow as tf

    signature = [
        tf.TensorSpec([1, *[None] * (rank - 2), 3] if rank else [], dtype, name)
        for name, rank, dtype in [("image", 4, "uint8"), *more]
    ]

    class Finder(tf.Module):
        @tf.function(input_signature=signature)
        def __call__(self, image: Any, *others: Any) -> dict[str, Any]:
            nothing = sum(tf.reduce_sum(tf.cast(each, tf.float32)) * 0 for each in (image, *others))
            boxes = tf.constant([[8.0, 8, 28, 18]]) + nothing
            return {"boxes": boxes, "scores": tf.constant([0.9]), "labels": tf.constant([classes])}

    module, model = Finder(), str(tmp_path / "model")
    tf.saved_model.save(module, model, signatures={"serving_default": module.__call__})
    image = detectors.scene(tmp_path / "image.tif", np.zeros((64, 64, 3), "uint8"))
    values = {"tilesize": 64, "model.userplaceholders": placeholders}
    if not told:
        assert len(run(tmp_path, image, model, **values).features) == 1
        return
    with pytest.raises(OtbtfError, match=told) as caught:
        run(tmp_path, image, model, **values)
    assert "SOURCE" not in str(caught.value)


def test_too_many_boxes_name_the_score(drawn: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagedetection, "MOST_BOXES", 20)
    with pytest.raises(OtbtfError, match="More than 20 boxes have a score of SCORE .0.5. or more"):
        run(tmp_path, drawn.path, drawn.model, tilesize=160)
    assert list(tmp_path.iterdir()) == []
