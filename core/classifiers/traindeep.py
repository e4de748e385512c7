"""The work of TrainClassifierFromDeepFeatures: a classifier, trained on a network's features at samples."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.progress import Part, Progress
from ..base.seeds import given_or_drawn
from ..errors import ModelError, ParameterError, field
from ..geometry.grid import Box, Grid
from ..machine.memory import MB, gdal_cache
from ..models.servingdefaults import ServingDefaults, SourceDefaults
from ..parameters.vectorsource import LayerSource
from ..phrases import Phrase
from ..rasters.placement import check_placed
from ..rasters.rasterreference import Reference
from ..samples.shapes import open_training_layer
from ..serving.defaultsapplied import serving_defaults_of, with_serving_defaults
from ..serving.imageadaptation import scaling_mode
from ..serving.memorybudget import MemoryBudget
from ..serving.openmodel import OpenModel, open_model
from ..serving.parameterresolution import serve_settings
from ..serving.servesettings import ServeSettings
from .classifierlearning import FeatureSamples, learn
from .imstat import ImageStatistics, read_statistics
from .parallelclassification import feature_type
from .samplechoice import ChosenSamples, SampleChooser, SampleScene, describe
from .trainingoutcome import TrainingOutcome

if TYPE_CHECKING:
    from ..operations.trainclassifierfromdeepfeatures import TrainClassifierFromDeepFeatures
    from ..serving.outputpoints import Points
    from ..serving.tilecomputer import TileComputer

PREFERRED = "features"
"""The output that is used if the user names none and the model has it."""

_SAMPLING_MB = 256  # for the pixels of polygons that are looked at together


@dataclass(frozen=True)
class DeepScene:
    """A scene whose features are learned from.

    Attributes:
        name: what it is called; empty for the only one.
        parameters: of the operation, for this scene alone.
        held_back: whether its training layers are for validation.
        told: a progress whose lines say whose they are, from that of the run.
        errors: lets errors say whose they are.
    """

    name: str
    parameters: TrainClassifierFromDeepFeatures
    held_back: bool
    told: Callable[[Progress], Progress]
    errors: Callable[[], AbstractContextManager[None]]

    @property
    def samples(self) -> tuple[tuple[LayerSource, ...], tuple[LayerSource, ...]]:
        """The layers for training, and those for validation."""
        given = self.parameters
        return ((), given.vd) if self.held_back else (given.vd, given.valid)


def train_on_deep_features(scenes: Sequence[DeepScene], progress: Progress) -> dict[str, Any]:
    """Train the classifier; features are computed only at the samples.

    Args:
        scenes: of the run; the first one trains, and its parameters are those of the classifier.
        progress: receives progress and warnings.

    Returns:
        The outputs' paths by key; `kappa`, `overall_accuracy` and `f1_macro`, those left out that are not defined; the
        numbers `classes`, `training.samples` and `validation.samples`.

    Raises:
        ParameterError, RasterError, VectorError, ModelError: bad input, before anything is learned where it can be known.
        ClassifierError: the classifier cannot be written.
        Cancelled: `progress` asked to stop.
    """
    parameters = scenes[0].parameters
    paths = {"out": parameters.out, "confmatout": parameters.confmatout, "out.report": parameters.out_report}
    with ExitStack() as stack:
        outcome = TrainingOutcome(paths, stack, progress)
        for scene in scenes:
            with scene.errors():
                for layer in (*scene.parameters.vd, *scene.parameters.valid):  # before the model is loaded
                    open_training_layer(layer, None).field(parameters.sample_vfn)
        statistics = read_statistics(parameters.imstat) if parameters.imstat else None
        seed = given_or_drawn(parameters.rand, field("rand"), progress)
        images: list[_SceneImage] = []
        for number, scene in enumerate(scenes):
            with scene.errors():
                images.append(_SceneImage.open(scene, statistics, scene.told(progress)))
            progress.fraction(0.1 * (number + 1) / len(scenes))
        _check_alike(scenes, images)
        # One budget for all: scenes are computed one after the other.
        stack.enter_context(gdal_cache(images[0].memory.cache))
        places = [SampleScene(image.output, *scene.samples) for scene, image in zip(scenes, images)]
        chosen = SampleChooser(parameters, places, _SAMPLING_MB, seed).choose(Part(progress, 0.1, 0.2))
        training, validation = _all_features(scenes, images, chosen, progress)
        progress.fraction(0.8)
        progress.check()
        names = [f"feature_{number}" for number in range(training.features.shape[1])]
        classifier = learn(parameters, training, names, chosen[0].legend, statistics, seed, progress)
        first = images[0]
        network = _applied(first.opened, first.settings, first.parameters.padding)
        classifier = dataclasses.replace(classifier, network=network)
        progress.fraction(0.95)
        return outcome.write(classifier, training, validation, first.parameters, _tested_on(scenes))


@dataclass(frozen=True)
class _SceneImage:
    """The images of a scene with the model that computes their features.

    Attributes:
        parameters: of the scene, completed with the model's serving defaults.
        settings: that follow from them.
        opened: model and images.
        memory: the budget.
        output: the image of the features.
        points: computes single features.
    """

    parameters: TrainClassifierFromDeepFeatures
    settings: ServeSettings
    opened: OpenModel
    memory: MemoryBudget
    output: OutputImage
    points: Points

    @classmethod
    def open(cls, scene: DeepScene, statistics: ImageStatistics | None, progress: Progress) -> _SceneImage:
        """Open model and images, and decide how features are computed.

        Raises:
            ParameterError, RasterError, ModelError: something does not fit.
        """
        defaults = serving_defaults_of(scene.parameters.model_dir)
        parameters = with_serving_defaults(scene.parameters, defaults, progress)
        settings = serve_settings(parameters, defaults, PREFERRED)
        opened = open_model(settings, progress)
        from ..serving.outputpoints import Points  # these import TensorFlow, so not sooner
        from ..serving.runplan import plan_points
        from ..serving.tilecomputer import TileOutput

        for source in opened.sources:
            check_placed(source.stack.names[0], source.stack.reference)
        check_features(opened)
        memory = MemoryBudget.of(settings.memory, opened.sources)
        output = TileOutput(np.dtype("float32"))
        accept = statistics.check if statistics else lambda bands: None
        with gdal_cache(memory.cache):
            plan = plan_points(opened, output, settings.tiling, memory, progress, accept)
        image = OutputImage(opened, plan.computer(opened, output))
        return cls(parameters, settings, opened, memory, image, Points(opened, plan, output))


def _check_alike(scenes: Sequence[DeepScene], images: Sequence[_SceneImage]) -> None:
    """Raise ParameterError where the sources of a scene have other bands than those of the first one."""
    bands = [[source.stack.bands for source in image.opened.sources] for image in images]
    for scene, own in zip(scenes[1:], bands[1:]):
        if own != bands[0]:
            raise ParameterError(
                "The sources of the scene {scene} have {bands} bands, but those of {first} have {wanted}: give images with the "
                "same bands in the same order.",
                scene=scene.name,
                bands=", ".join(map(str, own)),
                first=scenes[0].name,
                wanted=", ".join(map(str, bands[0])),
            )


def _tested_on(scenes: Sequence[DeepScene]) -> str:
    if held := [scene.name for scene in scenes if scene.held_back]:
        return Phrase("the scenes held back ({held}), whose images the classifier has never seen", held=", ".join(held))
    if any(scene.parameters.valid for scene in scenes):
        return Phrase("the validation layers")
    return Phrase("samples held back from the training layers")


def _applied(opened: OpenModel, settings: ServeSettings, padding: str) -> ServingDefaults:
    """Return how a model is applied, so that a map uses the same features as the training."""
    fields = opened.geometry.fields
    alike = ServingDefaults(
        " ".join(opened.outputs),
        padding=padding,
        images_scaling=scaling_mode(settings, opened.sources),
        images_pixelsize="" if settings.pixel_size == "check" else settings.pixel_size,
    )
    if fields.fullyconv:
        context = fields.x.rfields[0] if fields.windowed else None
        return dataclasses.replace(alike, fullyconv="on", context=context)
    sizes = {info.name: SourceDefaults(fields.rfield(number)) for number, info in enumerate(opened.inputs.images)}
    return dataclasses.replace(alike, fullyconv="off", spcscale=fields.x.scale, sources=sizes)


def check_features(opened: OpenModel) -> None:
    """Raise ModelError if an output does not hold features."""
    model = opened.loaded.model
    for name in opened.outputs:
        info = model.output(name)
        if info.rank not in (None, 2, 4) or info.dtype in ("string", "bool"):
            raise ModelError(
                "The output {info} of the model {model} is {dtype} of rank {rank}, but features are numbers of rank "
                "2 (batch x features) or 4 (batch x height x width x features). Name another in {output_names}: "
                "{outputs}, a layer of a .keras file, or a tensor of an .onnx file.",
                info=info.describe(),
                model=model.path,
                dtype=info.dtype,
                rank=info.rank,
                output_names=field("output_names"),
                outputs=", ".join(model.outputs),
            )


def _all_features(
    scenes: Sequence[DeepScene], images: Sequence[_SceneImage], chosen: Sequence[ChosenSamples], progress: Progress
) -> tuple[FeatureSamples, FeatureSamples]:
    """Return the samples for training and validation of all scenes with their features.

    Raises:
        ParameterError: none of them has data.
    """
    told = {label: entry.name for label, entry in chosen[0].legend.items()}
    training = np.concatenate([own.training.labels for own in chosen])
    validation = np.concatenate([own.validation.labels for own in chosen])
    progress.info(Phrase("Training samples: {told}.", told=describe(told, training)))
    if len(validation):
        progress.info(Phrase("Validation samples: {told}.", told=describe(told, validation)))
    parts = []
    for number, (scene, image, own) in enumerate(zip(scenes, images, chosen)):
        step = Part(progress, 0.2 + 0.6 * number / len(scenes), 0.2 + 0.6 * (number + 1) / len(scenes))
        with scene.errors():
            if len(own.training) or len(own.validation):
                parts.append(_features(image.points, own, scene.told(step)))
            for line in image.points.told():
                scene.told(progress).warning(line)
    first, second = (
        FeatureSamples(np.concatenate([one.features for one in each]), np.concatenate([one.labels for one in each]))
        for each in zip(*parts)
    )
    if not len(first):
        raise ParameterError(
            "All samples have no data, or features that are NaN or infinite: check the no-data values of the sources, and the "
            "model."
        )
    return first, second


def _features(points: Points, chosen: ChosenSamples, progress: Progress) -> tuple[FeatureSamples, FeatureSamples]:
    """Return the samples for training and validation of a scene with their features."""
    both = [chosen.training, chosen.validation]
    columns, rows = (np.concatenate([getattr(places, name) for places in both]) for name in ("columns", "rows"))
    values, empty = points(columns, rows, progress)
    features = values.astype(feature_type(values.dtype), copy=False)
    usable = ~empty & np.isfinite(features).all(axis=1)
    if not usable.all():
        progress.warning(
            Phrase(
                "{count_nonzero} {count_nonzero:sample is|samples are} left out for no data, or for features "
                "that are NaN or infinite.",
                count_nonzero=np.count_nonzero(~usable),
            )
        )
    cut = len(chosen.training)
    parts = (slice(None, cut), slice(cut, None))
    training, validation = (
        FeatureSamples(features[part][usable[part]], places.labels[usable[part]]) for part, places in zip(parts, both)
    )
    return training, validation


class OutputImage:
    """The output of a model as the image on which samples are placed; see `core.samples.validity.ValidPixels`."""

    def __init__(self, opened: OpenModel, computer: TileComputer) -> None:
        self.grid: Grid = opened.geometry.grid
        self.reference: Reference = opened.sources[0].stack.reference
        self.names = (Phrase("that the model {model} returns", model=opened.loaded.model.path),)
        self.everywhere = not opened.masked
        self._computer = computer

    @property
    def image(self) -> OutputImage:
        """Itself."""
        return self

    def read(self, box: Box) -> np.ndarray:
        """Return which outputs have data, bool, shape (box.height, box.width)."""
        nodata = self._computer.read(box).nodata
        return np.ones((box.height, box.width), bool) if nodata is None else ~nodata

    def pixels_within(self, megabytes: int) -> int:
        """Return how many outputs a budget of memory holds."""
        few = Box(0, 0, min(64, self.grid.width), min(64, self.grid.height))
        each = 100 + (0 if self.everywhere else self._computer.bytes_read(few) / few.area)
        return max(1 << 12, int(megabytes * MB / each))
