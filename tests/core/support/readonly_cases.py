"""A small run of every operation on the inputs of `readonly_scene`: together they give each input that there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from readonly_scene import Scene

Case = Callable[[Scene], dict[str, Any]]

NO_INPUTS = ("InstallEngine",)
"""Operations that are not run here: they take a minute, and only pip reads their files."""

SLOW = ("FindLearningRate", "LandCoverMap", "RegressionMap", "SearchSettings", "TensorflowModelTrain", "TrainModel")
"""Operations that train, for seconds."""

ENDLESS = ("TensorBoard",)
"""Operations that end by being cancelled."""


def _confusion_raster(scene: Scene) -> dict[str, Any]:
    return {
        "in": scene.path("map.tif"),
        "ref": "raster",
        "ref.raster.in": scene.path("labels_20m.tif"),
        "out": scene.out("confusion.csv"),
        "out.report": scene.out("confusion.html"),
    }


def _confusion_vector(scene: Scene) -> dict[str, Any]:
    where = {"ref": "vector", "ref.vector.in": scene.path("polygons.gpkg"), "ref.vector.field": "class"}
    return {"in": scene.path("map.tif"), **where, "out": scene.out("confusion.csv")}


def _example_data(scene: Scene) -> dict[str, Any]:
    return {"outdir": scene.out("example"), "size": 256}


def _model_for_patches(scene: Scene) -> dict[str, Any]:
    images = {"source1.il": [scene.path("patches.tif")], "normalization": "standard"}
    return {"template": "mlp", "classes": 2, **images, "out.keras": scene.out("made.keras")}


def _model_from_other_weights(scene: Scene) -> dict[str, Any]:
    weights = {"weights": "file", "weights.file": scene.path("small.weights.h5")}
    return {"template": "backbone_resnet50v2", "bands": "3", **weights, "out.keras": scene.out("backbone.keras")}


def _polygons(scene: Scene) -> dict[str, Any]:
    return {"in": scene.path("image.tif"), "vec": scene.path("polygons.gpkg"), "field": "class"}


def _statistics(scene: Scene) -> dict[str, Any]:
    return {**_polygons(scene), "out": scene.out("pixels.xml"), "outtable": scene.out("pixels.csv")}


def _masked_statistics(scene: Scene) -> dict[str, Any]:
    return {**_statistics(scene), "mask": scene.path("mask.tif")}


def _description(scene: Scene) -> dict[str, Any]:
    model = {"model.dir": scene.path("saved"), "source1.il": [scene.path("image.tif")]}
    outs = {"out.html": scene.out("model.html"), "out.json": scene.out("model.json")}
    return {**model, "classes": scene.path("labels.tif"), **outs}


def _detection(scene: Scene) -> dict[str, Any]:
    given = {"il": [scene.path("image.tif")], "model.dir": scene.path("detector.onnx"), "mask": scene.path("mask.tif")}
    return {**given, "out": scene.out("objects.gpkg"), "out.report": scene.out("objects.html")}


def _detection_in_polygons(scene: Scene) -> dict[str, Any]:
    given = {"il": [scene.path("image.tif")], "model.dir": scene.path("detector.onnx"), **_inside(scene)}
    return {**given, "out": scene.out("objects.gpkg")}


def _detection_by_nobody(scene: Scene) -> dict[str, Any]:
    return {**_detection(scene), **_by_nobody(scene)}


def _assessed_detection(scene: Scene) -> dict[str, Any]:
    layers = {"in": scene.path("polygons.gpkg"), "ref": scene.path("points.gpkg"), "image": scene.path("image.tif")}
    fields = {"in.score": "class", "in.field": "class", "ref.field": "class"}
    outs = {"out.errors": scene.out("errors.gpkg"), "out.report": scene.out("detections.html")}
    return {**layers, **fields, "score": 0, "out": scene.out("detections.csv"), **outs}


def _report(scene: Scene) -> dict[str, Any]:
    return {"out.html": scene.out("engine.html"), "out.json": scene.out("engine.json")}


def _export(scene: Scene) -> dict[str, Any]:
    return {"model.dir": scene.path("net.keras"), "out": scene.out("exported")}


def _inside(scene: Scene) -> dict[str, Any]:
    return {"mask.vector": scene.path("polygons.gpkg")}


def _pixel_map(scene: Scene) -> dict[str, Any]:
    images = {"in": scene.path("image.tif"), "mask": scene.path("mask.tif"), "imstat": scene.path("imstat.xml")}
    outs = {"out": scene.out("pixel_map.tif"), "confmap": scene.out("sure.tif")}
    return {**images, "model": scene.path("forest.skops"), **outs}


def _pixel_map_in_polygons(scene: Scene) -> dict[str, Any]:
    images = {"in": scene.path("image.tif"), **_inside(scene)}
    return {**images, "model": scene.path("forest.skops"), "out": scene.out("pixels_inside.tif")}


def _deep_map(scene: Scene) -> dict[str, Any]:
    models = {"deepmodel.dir": scene.path("net.keras"), "model": scene.path("deep.skops")}
    image = {"source1.il": [scene.path("image.tif")], "mask": scene.path("mask.tif")}
    return {**image, **models, "out": scene.out("deep_map.tif")}


def _deep_map_with_other_statistics(scene: Scene) -> dict[str, Any]:
    return {**_deep_map(scene), "imstat": scene.path("imstat.xml")}


def _deep_map_in_polygons(scene: Scene) -> dict[str, Any]:
    given = {key: value for key, value in _deep_map(scene).items() if key != "mask"}
    return {**given, **_inside(scene)}


def _by_nobody(scene: Scene) -> dict[str, Any]:
    return {"cluster": "tls://127.0.0.1:1", "cluster.tls": scene.path("certificates")}


def _pixel_map_by_nobody(scene: Scene) -> dict[str, Any]:
    return {**_pixel_map(scene), **_by_nobody(scene)}


def _deep_map_by_nobody(scene: Scene) -> dict[str, Any]:
    return {**_deep_map(scene), **_by_nobody(scene)}


def _label_points(scene: Scene) -> dict[str, Any]:
    few = {"strategy": "constant", "strategy.constant.nb": 5}
    return {"inref": scene.path("labels.tif"), **few, "outvec": scene.out("label_points.gpkg")}


def _polygons_of_map(scene: Scene) -> dict[str, Any]:
    probabilities = scene.path("image.tif")
    return {"in": scene.path("map.tif"), "probabilities": probabilities, "out": scene.out("polygons_of_map.gpkg")}


def _areas_of_map(scene: Scene) -> dict[str, Any]:
    outs = {"out": scene.out("areas.gpkg"), "outtable": scene.out("areas.csv")}
    return {"in": scene.path("map.tif"), "matrix": scene.path("matrix.csv"), **outs}


def _objects_of_map(scene: Scene) -> dict[str, Any]:
    maps = {key: scene.path("mask.tif") for key in ("in", "boundaries", "distances")}
    return {**maps, "instances": True, "out": scene.out("instances.gpkg")}


def _land_cover(scene: Scene) -> dict[str, Any]:
    return {
        "in": [scene.path("image.tif")],
        "samples": 10,
        "validation.share": 0,
        "epochs": 1,
        "out": scene.out("land_cover.tif"),
    }


def _land_cover_from_raster(scene: Scene) -> dict[str, Any]:
    labels = {"labels.raster": scene.path("labels_20m.tif"), "mask": scene.path("mask.tif")}
    scene.out("land_cover_again.tif")  # of the further scene
    return {**_land_cover(scene), **labels, "scenes": scene.path("scenes.csv"), "mode": "patches", "template": "cnn16"}


def _land_cover_from_polygons(scene: Scene) -> dict[str, Any]:
    labels = {"labels.vector": scene.path("polygons.gpkg"), "labels.field": "class", "mode": "patches", "patchsize": 8}
    return {
        **_land_cover(scene),
        **labels,
        "model.dir": scene.path("small.keras"),
        "keep": scene.out("kept"),
        **_inside(scene),
    }


def _quantity_from_raster(scene: Scene) -> dict[str, Any]:
    scene.out("quantity_again.tif")  # of the further scene
    return {
        "in": [scene.path("image.tif")],
        "values.raster": scene.path("labels_20m.tif"),
        "mask": scene.path("mask.tif"),
        "scenes": scene.path("scenes.csv"),
        "samples": 20,
        "validation.share": 0,
        "epochs": 1,
        "out": scene.out("quantity.tif"),
        "out.report": scene.out("quantity.html"),
    }


def _quantity_from_points(scene: Scene) -> dict[str, Any]:
    known = {"values.vector": scene.path("points.gpkg"), "values.field": "class"}
    values = {key: value for key, value in _quantity_from_raster(scene).items() if key not in ("values.raster", "mask")}
    return {**values, **known, **_inside(scene), "baseline": True}


def _patches(scene: Scene) -> dict[str, Any]:
    image = {"source1.il": [scene.path("image.tif")], "source1.patchsizex": 8, "source1.patchsizey": 8}
    outs = {"source1.out": scene.out("cut.tif"), "outlabels": scene.out("cut_labels.tif")}
    return {**image, "vec": scene.path("points.gpkg"), "field": "class", **outs}


def _detection_targets(scene: Scene) -> dict[str, Any]:
    image = {"source1.il": [scene.path("image.tif")], "source1.patchsizex": 8, "source1.patchsizey": 8}
    objects = {"objects": scene.path("polygons.gpkg"), "objects.empty": 1, "out.objects": scene.out("heat.tif")}
    return {
        **image,
        "vec": scene.path("points.gpkg"),
        "field": "class",
        **objects,
        "source1.out": scene.out("cut_for_heat.tif"),
    }


def _mosaic(scene: Scene) -> dict[str, Any]:
    patches = {"in": scene.path("patches.tif"), "labels": scene.path("patch_labels.tif")}
    return {**patches, "count": 4, "out": scene.out("mosaic.tif")}


def _selection(scene: Scene) -> dict[str, Any]:
    outs = {"outtrain": scene.out("select_train.gpkg"), "outvalid": scene.out("select_valid.gpkg")}
    grid = {"grid.step": 8, "grid.psize": 8}
    return {"in": scene.path("image.tif"), "mask": scene.path("mask.tif"), **grid, **outs}


def _balanced_selection(scene: Scene) -> dict[str, Any]:
    balanced = {"strategy": "balanced", "strategy.balanced.labelimage": scene.path("labels.tif")}
    out = {"outtrain": scene.out("balanced.gpkg")}
    return {"in": scene.path("image.tif"), "grid.step": 8, "grid.psize": 8, **balanced, **out}


def _command_lines(scene: Scene) -> dict[str, Any]:
    words = f"-in {scene.path('image.tif')} -vec {scene.path('points.gpkg')} -field class"
    return {"command": f"otbcli_SampleExtraction {words} -out {scene.out('by_command.gpkg')}"}


def _extraction(scene: Scene) -> dict[str, Any]:
    points = {"vec": scene.path("points.gpkg"), "layer": 0, "field": "class"}
    return {"in": scene.path("image.tif"), **points, "out": scene.out("values.gpkg")}


def _augmentation(scene: Scene) -> dict[str, Any]:
    points = {"in": scene.path("points.gpkg"), "field": "class", "strategy": "smote", "strategy.smote.neighbors": 1}
    return {**points, "samples": 3, "out": scene.out("augmented.gpkg")}


def _sample_selection(scene: Scene) -> dict[str, Any]:
    rates = {"instats": scene.path("counts.xml"), "strategy": "byclass", "strategy.byclass.in": scene.path("rates.csv")}
    outs = {"out": scene.out("chosen.gpkg"), "outrates": scene.out("chosen_rates.csv")}
    return {**_polygons(scene), "mask": scene.path("mask.tif"), **rates, **outs}


def _learning_rate(scene: Scene) -> dict[str, Any]:
    images, labels = [scene.path("patches.tif")], [scene.path("patch_labels.tif")]
    samples = {"training.source1.il": images, "training.target.il": labels, "remap_labels": True}
    model = {"model.dir": scene.path("small.keras"), "model.restorefrom": scene.path("small.weights.h5")}
    return {**samples, **model, "training.batchsize": 2, "batches": 20, "out.report": scene.out("rate.html")}


def _search(scene: Scene) -> dict[str, Any]:
    images, labels = [scene.path("patches.tif")], [scene.path("patch_labels.tif")]
    samples = {"training.source1.il": images, "training.target.il": labels, "remap_labels": True}
    data = {"validation.source1.il": images, "validation.target.il": labels}
    model = {"model.dir": scene.path("small.keras"), "model.restorefrom": scene.path("small.weights.h5")}
    few = {"settings": "OPTIMIZER=sgd", "training.epochs": 1}
    return {**samples, **data, **model, **few, "out": scene.out("trials.json")}


def _search_in_groups(scene: Scene) -> dict[str, Any]:
    given = {key: value for key, value in _search(scene).items() if not key.startswith("validation")}
    return {**given, "validation.share": 0.3, "validation.groups": [scene.path("patch_labels.tif")]}


def _search_by_nobody(scene: Scene) -> dict[str, Any]:
    return {**_search(scene), **_by_nobody(scene)}


def _board(scene: Scene) -> dict[str, Any]:
    return {"logdir": scene.path("logs")}


def _serving_saved_model(scene: Scene) -> dict[str, Any]:
    return {
        "source1.il": [scene.path("image.tif")],
        "model.dir": scene.path("saved"),
        "out": scene.out("served.tif"),
        "model.more": [scene.path("net.keras")],
        **_inside(scene),
    }


def _serving_keras(scene: Scene) -> dict[str, Any]:
    patches = {"model.fullyconv": "off", "source1.rfieldx": 8, "source1.rfieldy": 8, "output.spcscale": 4}
    image = {"source1.il": [scene.path("image.tif")], "model.dir": scene.path("small.keras")}
    return {**image, **patches, "mask": scene.path("mask.tif"), "out": scene.out("served_patches.tif")}


def _serving_in_parts(scene: Scene) -> dict[str, Any]:
    model = {"model.dir": scene.path("saved"), "part": "0/1"}
    return {"source1.il": [scene.path("image.tif")], **model, "out": scene.out("parts.vrt")}


def _serving_what_is_missing(scene: Scene) -> dict[str, Any]:
    model = {"model.dir": scene.path("saved"), "resume": True}
    return {"source1.il": [scene.path("image.tif")], **model, "out": scene.out("parts.tif")}


def _serving_by_nobody(scene: Scene) -> dict[str, Any]:
    return {**_serving_saved_model(scene), **_by_nobody(scene)}


def _table_by_nobody(scene: Scene) -> dict[str, Any]:
    return {**_table(scene), **_by_nobody(scene)}


def _training_on_images(scene: Scene) -> dict[str, Any]:
    data: dict[str, Any] = {"validation.mode": "class"}
    for what in ("validation", "test"):
        data[f"{what}.source1.il"] = [scene.path("patches.tif")]
        data[f"{what}.source2.il"] = [scene.path("patch_labels.tif")]
        data[f"{what}.source2.name"] = "predictions"
    weights = {"model.restorefrom": scene.path("small.weights.h5")}
    return {**scene.training(), **data, **weights, "out.history": scene.out("history.csv")}


def _short_training(scene: Scene) -> dict[str, Any]:
    names = {"training.source2.il": "training.target.il", "training.source2.placeholder": "training.target.placeholder"}
    given = {names.get(key, key): value for key, value in scene.training().items() if key != "out.keras"}
    return {**given, "model.saveto": scene.out("trained")}


def _short_training_with_validation(scene: Scene) -> dict[str, Any]:
    data = {
        "validation.source1.il": [scene.path("patches.tif")],
        "validation.target.il": [scene.path("patch_labels.tif")],
    }
    weights = {"model.restorefrom": scene.path("small.weights.h5")}
    return {**_short_training(scene), "validation.mode": "class", **data, **weights}


def _short_training_in_groups(scene: Scene) -> dict[str, Any]:
    share = {"validation.mode": "class", "validation.share": 0.3, "validation.groups": [scene.path("patch_labels.tif")]}
    return {**_short_training(scene), **share}


def _training_in_groups(scene: Scene) -> dict[str, Any]:
    share = {"validation.mode": "class", "validation.share": 0.3, "validation.groups": [scene.path("patch_labels.tif")]}
    return {**scene.training(), **share, "model.restorefrom": scene.path("checkpoints/best.keras")}


def _training_on_records(scene: Scene) -> dict[str, Any]:
    given = {key: value for key, value in scene.training().items() if ".source" not in key}
    records = {f"{what}.tfrecords": scene.path("records") for what in ("training", "validation", "test")}
    return {**given, **records, "validation.mode": "class"}


def _deep_training(scene: Scene) -> dict[str, Any]:
    image = {"source1.il": [scene.path("image.tif")], "model.dir": scene.path("net.keras")}
    layers = {"vd": scene.path("polygons.gpkg"), "valid": scene.path("points.gpkg"), "sample.vfn": "class"}
    forest = {"classifier": "rf", "classifier.rf.nbtrees": 2, "imstat": scene.path("features.xml")}
    outs = {"out": scene.out("learned.skops"), "confmatout": scene.out("learned.csv")}
    return {**image, **layers, **forest, "scenes": scene.path("deep_scenes.csv"), **outs}


def _vector_training(scene: Scene) -> dict[str, Any]:
    layers = {
        "io.vd": [scene.path("points.gpkg"), scene.path("points.shp")],
        "valid.vd": [scene.path("points.geojson")],
    }
    fields = {"feat": "value_0 value_1 value_2", "cfield": "class", "io.stats": scene.path("imstat.xml")}
    forest = {"classifier": "rf", "classifier.rf.nbtrees": 2}
    return {**layers, **fields, **forest, "io.out": scene.out("vector.skops")}


def _band_math(scene: Scene) -> dict[str, Any]:
    return {"il": [scene.path("image.tif")], "exp": "im1b1 + im1b2", "out": scene.out("sum.tif")}


def _band_math_x(scene: Scene) -> dict[str, Any]:
    """The mean of a band is computed, and not kept by GDAL."""
    return {"il": [scene.path("image.tif"), scene.path("labels.tif")], "exp": "im1b1Mean", "out": scene.out("mean.tif")}


def _stack(scene: Scene) -> dict[str, Any]:
    return {"il": [scene.path("image.tif"), scene.path("labels.tif")], "out": scene.out("stack.tif")}


def _band_statistics(scene: Scene) -> dict[str, Any]:
    return {"il": [scene.path("image.tif")], "bv": 0, "out": scene.out("bands.xml")}


def _part_of_an_image(scene: Scene) -> dict[str, Any]:
    fit = {"mode": "fit", "mode.fit.im": scene.path("labels_20m.tif")}
    return {"in": scene.path("image.tif"), **fit, "out": scene.out("part.tif")}


def _part_under_a_layer(scene: Scene) -> dict[str, Any]:
    fit = {"mode": "fit", "mode.fit.vect": scene.path("polygons.gpkg")}
    return {"in": scene.path("image.tif"), **fit, "out": scene.out("part.tif")}


def _masked(scene: Scene) -> dict[str, Any]:
    apply = {"mode": "apply", "mode.apply.mask": scene.path("mask.tif")}
    return {"in": scene.path("image.tif"), **apply, "out": scene.out("masked.tif")}


def _object_labels(scene: Scene) -> dict[str, Any]:
    return {"in": scene.path("image.tif"), "vec": scene.path("polygons.gpkg"), "out": scene.out("object_labels.tif")}


def _brought_to_a_grid(scene: Scene) -> dict[str, Any]:
    images = {"inr": scene.path("image.tif"), "inm": scene.path("labels_20m.tif"), "interpolator": "nn"}
    return {**images, "out": scene.out("warped.tif")}


def _table(scene: Scene) -> dict[str, Any]:
    table = scene.path("rows.csv")
    given = {"operation": "BandMath", "table": table, "parameters": f"EXP=im1b1 OUT={scene.out('part.tif')}"}
    return {**given, "out": scene.out("table.csv"), "out.items": scene.out("table.json")}


CASES: dict[str, tuple[Case, ...]] = {
    "AssessDetections": (_assessed_detection,),
    "BandMath": (_band_math,),
    "BandMathX": (_band_math_x,),
    "ComputeConfusionMatrix": (_confusion_raster, _confusion_vector),
    "ComputeImagesStatistics": (_band_statistics,),
    "ConcatenateImages": (_stack,),
    "CreateExampleData": (_example_data,),
    "CreateModel": (_model_for_patches, _model_from_other_weights),
    "DensePolygonClassStatistics": (_statistics,),
    "DescribeModel": (_description,),
    "DetectObjects": (_detection, _detection_in_polygons, _detection_by_nobody),
    "EngineReport": (_report,),
    "ExportSavedModel": (_export,),
    "ExtractROI": (_part_of_an_image, _part_under_a_layer),
    "FindLearningRate": (_learning_rate,),
    "ImageClassifier": (_pixel_map, _pixel_map_in_polygons, _pixel_map_by_nobody),
    "ImageClassifierFromDeepFeatures": (
        _deep_map,
        _deep_map_in_polygons,
        _deep_map_with_other_statistics,
        _deep_map_by_nobody,
    ),
    "InstallEngine": (),
    "LabelImageSampleSelection": (_label_points,),
    "LandCoverMap": (_land_cover_from_raster, _land_cover_from_polygons),
    "ManageNoData": (_masked,),
    "MapToPolygons": (_polygons_of_map, _areas_of_map, _objects_of_map),
    "ObjectLabels": (_object_labels,),
    "PatchesExtraction": (_patches, _detection_targets),
    "PatchesMosaic": (_mosaic,),
    "PatchesSelection": (_selection, _balanced_selection),
    "PolygonClassStatistics": (_masked_statistics,),
    "RegressionMap": (_quantity_from_raster, _quantity_from_points),
    "RunCommandLine": (_command_lines,),
    "RunTable": (_table, _table_by_nobody),
    "SearchSettings": (_search, _search_in_groups, _search_by_nobody),
    "SampleAugmentation": (_augmentation,),
    "SampleExtraction": (_extraction,),
    "SampleSelection": (_sample_selection,),
    "Superimpose": (_brought_to_a_grid,),
    "TensorBoard": (_board,),
    "TensorflowModelServe": (
        _serving_saved_model,
        _serving_keras,
        _serving_in_parts,
        _serving_what_is_missing,
        _serving_by_nobody,
    ),
    "TensorflowModelTrain": (_training_on_images, _training_in_groups, _training_on_records),
    "TrainClassifierFromDeepFeatures": (_deep_training,),
    "TrainModel": (_short_training, _short_training_with_validation, _short_training_in_groups),
    "TrainVectorClassifier": (_vector_training,),
}
"""Operation to its runs."""

REFUSED = (
    _model_from_other_weights,
    _deep_map_with_other_statistics,
    _pixel_map_by_nobody,
    _deep_map_by_nobody,
    _detection_by_nobody,
    _serving_by_nobody,
    _table_by_nobody,
    _search_by_nobody,
)
"""Runs that end in an error once they have read their inputs."""
