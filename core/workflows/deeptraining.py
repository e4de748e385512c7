"""The run of TrainClassifierFromDeepFeatures: a classifier from the features of one scene, or of several."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..base.progress import Progress
from ..classifiers.traindeep import DeepScene, train_on_deep_features
from ..errors import ParameterError, field
from ..operations.trainclassifierfromdeepfeatures import TrainClassifierFromDeepFeatures
from ..rasters.rasterstack import Stack
from .scenerows import scene_rows
from .scenes import compare_images, in_scene, named


def train_classifier(parameters: TrainClassifierFromDeepFeatures, progress: Progress) -> dict[str, Any]:
    """Train the classifier on the features of all scenes.

    Returns:
        What `train_on_deep_features` does.

    Raises:
        ParameterError, RasterError, VectorError, ModelError: bad input, before anything is learned where it can be known.
        ClassifierError: the classifier cannot be written.
        Cancelled: `progress` asked to stop.
    """
    scenes = [
        DeepScene(row.name, row.parameters, row.held_back, partial(named, row.name), partial(in_scene, row.name))
        for row in scene_rows(parameters, progress)
    ]
    first, *others = ([Stack(source.il) for source in scene.parameters.sources] for scene in scenes)
    for scene, images in zip(scenes[1:], others):
        for one, other in zip(first, images):
            compare_images(scenes[0].name, one, scene.name, other, progress)
    held = ", ".join(scene.name for scene in scenes if scene.held_back)
    if held and any(scene.parameters.valid for scene in scenes if not scene.held_back):
        raise ParameterError(
            "{valid} is given, but the scenes {held} are held back for validation: keep one of both.",
            valid=field("valid"),
            held=held,
        )
    return train_on_deep_features(scenes, progress)
