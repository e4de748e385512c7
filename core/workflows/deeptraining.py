"""The run of TrainClassifierFromDeepFeatures: a classifier from the features of one scene, or of several."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ..base.progress import Progress
from ..classifiers.traindeep import DeepScene, train_on_deep_features
from ..errors import ParameterError, field
from ..operations.trainclassifierfromdeepfeatures import TrainClassifierFromDeepFeatures
from ..phrases import Phrase
from ..rasters.rasterstack import Stack
from .scenerows import scene_rows
from .scenes import compare_images, in_scene, named, share_ground


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
    _warn_of_known_ground(scenes, [first[0], *(images[0] for images in others)], progress)
    held = ", ".join(scene.name for scene in scenes if scene.held_back)
    if held and any(scene.parameters.valid for scene in scenes if not scene.held_back):
        raise ParameterError(
            "{valid} is given, but the scenes {held} are held back for validation: keep one of both.",
            valid=field("valid"),
            held=held,
        )
    return train_on_deep_features(scenes, progress)


def _warn_of_known_ground(scenes: Sequence[DeepScene], images: Sequence[Stack], progress: Progress) -> None:
    """Warn of scenes held back whose images show ground of others."""
    for scene, image in zip(scenes, images):
        for other, learned in zip(scenes, images):
            if scene.held_back and not other.held_back and share_ground(image, learned):
                progress.warning(
                    Phrase(
                        "The scene {scene}, which is held back, shows ground of {learned}, which is learned from: where both "
                        "have labels there, the accuracy is that on another image of known places.",
                        scene=scene.name,
                        learned=other.name,
                    )
                )
