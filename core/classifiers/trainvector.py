"""The work of TrainVectorClassifier: a classifier, trained on attributes of vector layers."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.progress import Progress
from ..base.seeds import given_or_drawn
from ..classes.classfield import holds_names
from ..errors import ParameterError, field
from ..parameters.sampleroles import SampleRole
from ..parameters.vectorsource import LayerSource
from ..phrases import Phrase
from .attributes import Attributes, read_attributes
from .classifierlearning import FeatureSamples, learn
from .imstat import read_statistics
from .mapclasses import ClassCoding, join_layers, warn_of_unknown_classes
from .trainingoutcome import TrainingOutcome

if TYPE_CHECKING:
    from ..operations.trainvectorclassifier import TrainVectorClassifier


def train_on_attributes(parameters: TrainVectorClassifier, progress: Progress) -> dict[str, Any]:
    """Train the classifier.

    Returns:
        The outputs' paths by key; `kappa`, `overall_accuracy` and `f1_macro`, those left out that are not defined; the
        numbers `classes`, `training.samples` and `validation.samples`.

    Raises:
        ParameterError, VectorError: bad input, before anything is learned where it can be known.
        ClassifierError: the classifier cannot be written.
        Cancelled: `progress` asked to stop.
    """
    paths = {"io.out": parameters.out, "io.confmatout": parameters.confmatout, "out.report": parameters.out_report}
    with ExitStack() as stack:
        outcome = TrainingOutcome(paths, stack, progress)
        statistics = read_statistics(parameters.stats) if parameters.stats else None
        if len(set(parameters.feat)) < len(parameters.feat):
            raise ParameterError(
                "{feat} is {parameters_feat!r}, but repeats a field: list each field only once.",
                feat=field("feat"),
                parameters_feat=" ".join(parameters.feat),
            )
        found = _read(parameters, parameters.vd, parameters.layer, SampleRole.TRAINING, progress)
        other = None
        if parameters.valid_vd:
            layer = parameters.layer if parameters.valid_layer is None else parameters.valid_layer
            other = _read(parameters, parameters.valid_vd, layer, SampleRole.VALIDATION, progress)
        layers = [*found.layers, *(other.layers if other else [])]
        classes, known = join_layers(layers, [*found.classes, *(other.classes if other else [])])
        for_training = _together(classes[: len(found.layers)])
        coding = ClassCoding(found.layers[0][1], holds_names(layers, progress), for_training)
        training = FeatureSamples(found.features, coding.numbers(for_training))
        validation = FeatureSamples(np.empty((0, len(parameters.feat))), np.empty(0, np.int64))
        if other is not None:
            validation = FeatureSamples(other.features, coding.numbers(_together(classes[len(found.layers) :])))
        progress.fraction(0.3)
        progress.check()
        legend = coding.legend(known, parameters.legend)
        warn_of_unknown_classes(legend, training.labels, validation.labels, progress)
        seed = given_or_drawn(parameters.rand, field("rand"), progress)
        classifier = learn(parameters, training, parameters.feat, legend, statistics, seed, progress)
        progress.fraction(0.9)
        return outcome.write(classifier, training, validation, parameters, Phrase("the validation layers"))


def _read(
    parameters: TrainVectorClassifier,
    sources: tuple[LayerSource, ...],
    layer: int | None,
    role: SampleRole,
    progress: Progress,
) -> Attributes:
    found = read_attributes(sources, layer, parameters.feat, parameters.cfield, progress)
    if not any(found.classes):
        raise ParameterError(
            "No feature of the {role} layers ({sources}) has a class and all attributes ({left_out} lack one): "
            "check {cfield} and {feat}.",
            role=role,
            sources=", ".join(map(str, sources)),
            left_out=found.left_out,
            cfield=field("cfield"),
            feat=field("feat"),
        )
    if found.left_out:
        progress.warning(
            Phrase(
                "{left_out} {left_out:feature|features} of the {role} layers {left_out:is|are} left out for "
                "lack of the class or of an attribute.",
                left_out=found.left_out,
                role=role,
            )
        )
    return found


def _together(parts: Iterable[list[Any]]) -> list[Any]:
    return list(itertools.chain.from_iterable(parts))
