"""DetectObjects with GEOMETRY: outlines of objects from their masks, and their centres."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import detectors
import numpy as np
import pytest
from osgeo import gdal, ogr
from serving import ORIGIN, UTM, Log, write

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import Cancelled, OtbtfError

pytest.importorskip("tensorflow")

SIZE = 400


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """An image of discs of up to 47 pixels, their edges, and a detector that finds each with its mask."""
    folder = tmp_path_factory.mktemp("drawn")
    image, edges = detectors.drawn_discs(SIZE, 60, (4, 23))
    return SimpleNamespace(
        image=image,
        edges=edges,
        path=detectors.scene(folder / "image.tif", image),
        model=detectors.segments_detector(folder, masks=True),
    )


def run(folder: Path, image: str, model: str, out: str = "out.gpkg", **values: Any) -> SimpleNamespace:
    log = values.pop("log", None) or Log()
    given = {"il": [image], "model.dir": model, "out": str(folder / out), "geometry": "outlines", **values}
    results = registry.run("DetectObjects", given, log)
    dataset = ogr.Open(results["out"])
    layer = dataset.GetLayer(0)
    kind = ogr.GeometryTypeToName(layer.GetGeomType())
    features = [{**feature.items(), "shape": feature.GetGeometryRef().Clone()} for feature in layer]
    return SimpleNamespace(features=features, results=results, log=log, kind=kind)


def pixels_of(shape: Any, size: int = SIZE) -> np.ndarray:
    """Return which pixels of a scene have their centre in a shape, as GDAL burns it."""
    target = gdal.GetDriverByName("MEM").Create("", size, size, 1, gdal.GDT_Byte)
    target.SetGeoTransform(ORIGIN)
    memory = ogr.GetDriverByName("Memory").CreateDataSource("")
    layer = memory.CreateLayer("shape")
    feature = ogr.Feature(layer.GetLayerDefn())
    feature.SetGeometry(shape)
    layer.CreateFeature(feature)
    gdal.RasterizeLayer(target, [1], layer, burn_values=[1])
    return target.ReadAsArray() == 1


@pytest.mark.parametrize(("tile", "overlap"), [(96, 48), (416, 48)])
def test_each_outline_has_the_pixels_of_its_object_whatever_the_tiles(
    tile: int, overlap: int, drawn: SimpleNamespace, tmp_path: Path
) -> None:
    found = run(tmp_path, drawn.path, drawn.model, tilesize=tile, overlap=overlap)
    assert found.kind == "Multi Polygon"
    assert found.log.warnings == []
    numbers = drawn.image[..., 0]
    seen = []
    for feature in found.features:
        inside = pixels_of(feature["shape"])
        (number,) = np.unique(numbers[inside])
        np.testing.assert_array_equal(inside, numbers == number)
        assert feature["pixels"] == inside.sum()
        assert feature["area_m2"] == pytest.approx(100 * inside.sum(), rel=2e-3)  # UTM's scale
        assert feature["shape"].GetArea() == pytest.approx(100 * inside.sum())
        assert feature["class"] == 1 + number % 3
        seen.append(int(number))
    assert sorted(seen) == sorted(drawn.edges)
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".gpkg" or path.is_dir()] == ["out.gpkg"]


SIDE = 64
BOXES = np.array([[5.2, 9.0, 40.7, 30.4], [33.0, 20.0, 60.0, 64.0], [2.0, 44.0, 20.0, 62.0]])
"""y1, x1, y2, x2 of three objects; scores are in their order."""

SCORES = np.array([0.9, 0.8, 0.7])


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> str:
    return detectors.scene(tmp_path_factory.mktemp("plain") / "image.tif", np.zeros((SIDE, SIDE, 3), "uint8"))


def found_pixels(found: SimpleNamespace) -> list[np.ndarray]:
    """Return the pixels of each object, by score."""
    return [pixels_of(feature["shape"], SIDE) for feature in found.features]


def smooth(count: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """Random maps from 0 to 1 with forms of several pixels."""
    random = np.random.default_rng(seed)
    rows, columns = np.linspace(0, 1, height)[:, None], np.linspace(0, 1, width)[None]
    down, across, phase = random.uniform(4, 12, (3, count, 1, 1))
    return (0.5 + 0.5 * np.sin(down * rows + phase) * np.cos(across * columns + 2 * phase)).astype("float32")


def object_detection_api(masks: np.ndarray) -> dict[str, np.ndarray]:
    count = masks.shape[1]
    filling = ((0, count - 3), (0, 0))
    return {
        "detection_boxes": np.pad(BOXES / SIDE, filling)[None],
        "detection_classes": np.ones((1, count)),
        "detection_masks": masks,
        "detection_scores": np.pad(SCORES, filling[0])[None],
        "num_detections": np.array([3]),
    }


@pytest.mark.parametrize(("count", "side"), [(3, 15), (40, 33)])  # bands seem to be first, or last
def test_masks_of_boxes_are_reframed_as_the_object_detection_api_does(
    count: int, side: int, plain: str, tmp_path: Path
) -> None:
    import tensorflow as tf

    masks = smooth(count, side, side)
    model = detectors.fixed_outputs(tmp_path / "m.onnx", (1, 3, SIDE, SIDE), object_detection_api(masks[None]))
    found = run(tmp_path, plain, model)
    low, high = BOXES[:, :2] / SIDE, BOXES[:, 2:] / SIDE
    image_in_box = np.concatenate([-low / (high - low), (1 - low) / (high - low)], axis=1)
    frames = tf.image.crop_and_resize(masks[:3, ..., None], image_in_box, [0, 1, 2], [SIDE, SIDE])  # 0 beyond the mask
    for pixels, frame in zip(found_pixels(found), frames.numpy()[..., 0], strict=True):
        assert 50 < pixels.sum() < 2000
        np.testing.assert_array_equal(pixels, frame > 0.5)


def in_image(masks: np.ndarray) -> np.ndarray:
    """Return masks of the whole image that are 0 outside of their boxes."""
    framed = np.zeros_like(masks)
    for frame, mask, box in zip(framed, masks, BOXES):
        rows, columns = slice(*np.rint(box[::2]).astype(int)), slice(*np.rint(box[1::2]).astype(int))
        frame[rows, columns] = mask[rows, columns]
    return framed


def test_masks_of_the_image(plain: str, tmp_path: Path) -> None:
    masks = in_image(smooth(3, SIDE, SIDE))
    boxes = BOXES[:, [1, 0, 3, 2]]
    torchvision = {"boxes": boxes, "labels": np.ones(3), "masks": masks[:, None], "scores": SCORES}
    free = {"masks": ("n", 1, "h", "w")}
    models = [
        detectors.fixed_outputs(tmp_path / "tv.onnx", (3, SIDE, SIDE), torchvision),
        detectors.fixed_outputs(tmp_path / "tvfree.onnx", (3, "h", "w"), torchvision, free),
        detectors.fixed_outputs(tmp_path / "tvbatch.onnx", (1, 3, SIDE, SIDE), torchvision, free),
        detectors.fixed_outputs(tmp_path / "od.onnx", (1, 3, SIDE, SIDE), object_detection_api(masks[None])),
    ]
    for model in models:
        found = run(tmp_path, plain, model, tilesize=SIDE)
        for pixels, mask in zip(found_pixels(found), masks, strict=True):
            np.testing.assert_array_equal(pixels, mask > 0.5)


def yolo_outputs(form: str) -> dict[str, np.ndarray]:
    """Return outputs of a model for instances with two classes and four prototypes, objects at some of its cells."""
    random = np.random.default_rng(3)
    corners = BOXES[:, [1, 0, 3, 2]]
    boxes = corners
    if form != "suppressed":
        boxes = np.concatenate([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], axis=1)
    weights = random.normal(size=(3, 4))
    scores = np.stack((np.zeros(3), SCORES), axis=1)
    middle = {"yolov8": scores, "yolov5": np.insert(scores, 0, 1, 1), "suppressed": np.insert(scores[:, 1:], 1, 1, 1)}
    listed = np.concatenate([boxes, middle[form], weights], axis=1)
    rows = np.zeros(({"yolov8": 84, "yolov5": 252, "suppressed": 300}[form], listed.shape[1]))
    rows[[7, 2, 40]] = listed
    maps = 8 * smooth(4, SIDE // 4, SIDE // 4, 5) - 4
    return {"output0": (rows.T if form == "yolov8" else rows)[None], "output1": maps[None], "weights": weights}


@pytest.mark.parametrize("form", ["yolov8", "yolov5", "suppressed"])
@pytest.mark.parametrize("free", [False, True])
def test_masks_of_prototypes(form: str, free: bool, plain: str, tmp_path: Path) -> None:
    import tensorflow as tf

    outputs = yolo_outputs(form)
    weights, prototypes = outputs.pop("weights"), outputs["output1"]
    metadata = {**detectors.ULTRALYTICS, "task": "segment"}
    shapes = {"output1": ("n", 4, "h", "w")} if free else None
    image = (1, 3, SIDE, SIDE)
    model = detectors.fixed_outputs(tmp_path / "yolo.onnx", image, outputs, shapes, metadata=metadata)
    boxes = run(tmp_path, plain, model, "boxes.gpkg", geometry="boxes", iou=1)
    assert [feature["name"] for feature in boxes.features] == ["car"] * 3  # masks are no classes
    found = run(tmp_path, plain, model, iou=1)
    logits = tf.einsum("nc,bchw->nhwb", weights, prototypes)
    logits = tf.image.resize(logits, (SIDE, SIDE), "bilinear").numpy()[..., 0]
    centres = np.arange(SIDE) + 0.5
    for pixels, values, (y1, x1, y2, x2) in zip(found_pixels(found), logits, BOXES, strict=True):
        inside = ((centres >= y1) & (centres < y2))[:, None] & ((centres >= x1) & (centres < x2))
        assert 50 < pixels.sum() < 2000
        np.testing.assert_array_equal(pixels, inside & (values > 0))


def test_pieces_holes_and_corners(tmp_path: Path) -> None:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[10:30, 10:30] = True
    mask[15:20, 15:25] = False  # a hole,
    mask[30:34, 30:40] = True  # a piece that touches the first by a corner,
    mask[50, 60] = True  # and one of a pixel
    outputs = {"boxes": [[10, 10, 64, 55]], "labels": [1], "masks": mask[None, None], "scores": [0.9]}
    arrays = {name: np.array(values, "float32") for name, values in outputs.items()}
    model = detectors.fixed_outputs(tmp_path / "tv.onnx", (3, "h", "w"), arrays)
    place = (ORIGIN[0], 10.0, 0.0, ORIGIN[3] - 10.0 * SIDE, 0.0, 10.0)  # rows from south to north
    image = write(tmp_path / "image.tif", np.zeros((SIDE, SIDE, 3), "uint8"), place, UTM)
    (feature,) = run(tmp_path, image, model, "out.shp", tilesize=SIDE).features
    shape = feature["shape"]
    assert shape.IsValid()
    assert [shape.GetGeometryRef(number).GetGeometryCount() for number in range(shape.GetGeometryCount())] == [2, 1, 1]
    np.testing.assert_array_equal(pixels_of(shape, SIDE), mask)
    assert feature["pixels"] == mask.sum() == 400 - 50 + 40 + 1


def test_pixels_beyond_the_image_belong_to_no_object(tmp_path: Path) -> None:
    outputs = {"boxes": [[20, 10, 60, 50]], "labels": [1], "masks": np.ones((1, 1, SIDE, SIDE)), "scores": [0.9]}
    arrays = {name: np.array(values, "float32") for name, values in outputs.items()}
    model = detectors.fixed_outputs(tmp_path / "tv.onnx", (3, SIDE, SIDE), arrays)
    image = detectors.scene(tmp_path / "image.tif", np.zeros((45, 50, 3), "uint8"))
    (feature,) = run(tmp_path, image, model).features
    left, right, low, high = feature["shape"].GetEnvelope()
    assert (right, low) == (ORIGIN[0] + 500, ORIGIN[3] - 450)
    assert (left, high) == (ORIGIN[0] + 190, ORIGIN[3] - 90)  # masks may end a pixel beyond their box


def test_objects_without_a_mask_are_left_out_and_told(plain: str, tmp_path: Path) -> None:
    masks = in_image(smooth(3, SIDE, SIDE))
    masks[1] /= 2
    model = detectors.fixed_outputs(tmp_path / "od.onnx", (1, 3, SIDE, SIDE), object_detection_api(masks[None]))
    found = run(tmp_path, plain, model)
    assert [round(feature["score"], 2) for feature in found.features] == [0.9, 0.7]
    assert found.results["objects"] == 2
    (told,) = (warning for warning in found.log.warnings if "mask" in warning)
    assert told.startswith(
        "1 detection has a score of SCORE or more but an empty mask (no value above 0.5), and is left"
    )


def test_points_are_the_centres_of_boxes(drawn: SimpleNamespace, tmp_path: Path) -> None:
    found = run(tmp_path, drawn.path, drawn.model, geometry="points", tilesize=150, overlap=48)
    assert found.kind == "Point"
    places = {((f["shape"].GetX() - ORIGIN[0]) / 10, (ORIGIN[3] - f["shape"].GetY()) / 10) for f in found.features}
    expected = {((x1 + x2) / 2, (y1 + y2) / 2) for x1, y1, x2, y2 in drawn.edges.values()}
    np.testing.assert_allclose(sorted(places), sorted(expected), atol=1e-3)
    boxes = run(tmp_path, drawn.path, drawn.model, "boxes.gpkg", geometry="boxes", tilesize=150, overlap=48)
    for point, box in zip(found.features, boxes.features, strict=True):
        assert {name: point[name] for name in FIELDS} == {name: box[name] for name in FIELDS}
        assert box["shape"].Contains(point["shape"])


FIELDS = ("class", "name", "score", "area_m2", "pixels")


def test_masks_are_gone_when_the_run_is_cancelled(drawn: SimpleNamespace, tmp_path: Path) -> None:
    seen = []

    class Impatient(Log):
        def cancelled(self) -> bool:
            stop = bool(self.fractions) and self.fractions[-1] > 0.3
            if stop and not seen:
                seen.extend(path.name for path in tmp_path.rglob("masks"))
            return stop

    with pytest.raises(Cancelled):
        run(tmp_path, drawn.path, drawn.model, tilesize=96, overlap=48, log=Impatient())
    assert seen == ["masks"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (None, r"GEOMETRY is outlines, but .* returns no masks .*detection_boxes .*detection_scores"),
        (np.full((1, 3, 15, 15), 9.0), "values from 0 to 9, but masks are probabilities"),
        (np.zeros((1, 2, 15, 15)), "not that of a mask for each object"),
    ],
)
def test_what_are_no_masks_is_refused(masks: Any, message: str, plain: str, tmp_path: Path) -> None:
    outputs = object_detection_api(np.zeros((1, 3, 15, 15)))
    if masks is None:
        del outputs["detection_masks"]
    else:
        outputs["detection_masks"] = masks
    model = detectors.fixed_outputs(tmp_path / "od.onnx", (1, 3, SIDE, SIDE), outputs)
    with pytest.raises(OtbtfError, match=message):
        run(tmp_path, plain, model)
    assert [path.name for path in tmp_path.iterdir()] == ["od.onnx"]


def test_masks_of_torchvision_that_are_not_pasted_are_refused(plain: str, tmp_path: Path) -> None:
    outputs = {
        "boxes": BOXES[:, [1, 0, 3, 2]],
        "labels": np.ones(3),
        "masks": np.zeros((3, 1, 28, 28)),
        "scores": SCORES,
    }
    model = detectors.fixed_outputs(tmp_path / "tv.onnx", (3, SIDE, SIDE), outputs)
    with pytest.raises(
        OtbtfError, match=r"shape \(3, 1, 28, 28\), which is not that of masks of 64 x 64 pixels.*GEOMETRY"
    ):
        run(tmp_path, plain, model)


def test_describe_model_shows_masks(tmp_path: Path) -> None:
    outputs = yolo_outputs("yolov8")
    del outputs["weights"]
    metadata = {**detectors.ULTRALYTICS, "task": "segment"}
    model = detectors.fixed_outputs(tmp_path / "yolo.onnx", (1, 3, SIDE, SIDE), outputs, metadata=metadata)
    page, log = tmp_path / "model.html", Log()
    assert registry.run("DescribeModel", {"model.dir": model, "out.html": str(page)}, log)["verdict"] == "detector"
    assert "masks of the objects (output1)" in log.text
    assert "Masks of objects" in page.read_text(encoding="utf-8")
