"""The samples of training, validation and test, opened together and made to fit each other."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..base.progress import Progress
from ..errors import ParameterError, field
from ..machine.memory import budget
from ..parameters.sampleroles import SampleRole
from ..phrases import Phrase
from .classlabels import count_labels
from .labellegends import join_labels
from .opensamples import open_samples, read_groups
from .samplebatches import PatchSamples, Samples

if TYPE_CHECKING:
    from ..operations.tensorflowmodeltrain import TensorflowModelTrain


@dataclass(frozen=True)
class SampleSets:
    """The samples of each role; None where there are none."""

    training: Samples
    validation: Samples | None
    test: Samples | None

    @property
    def by_role(self) -> dict[SampleRole, Samples]:
        """Those that there are."""
        every = zip(SampleRole, (self.training, self.validation, self.test))
        return {role: samples for role, samples in every if samples is not None}


class LabelCounts:
    """How often each label occurs, counted when it is asked for, and once."""

    def __init__(self, sets: SampleSets) -> None:
        self._sets = sets
        self._found: dict[tuple[SampleRole, str], Counter[int]] = {}

    def __call__(self, role: SampleRole, key: str) -> Counter[int]:
        """Return the labels that the source `key` holds in the samples of a role; see `count_labels`."""
        if (role, key) not in self._found:
            self._found[role, key] = count_labels(self._sets.by_role[role], key, role)
        return self._found[role, key]


def open_sets(parameters: TensorflowModelTrain, progress: Progress) -> SampleSets:
    """Open the samples of training, validation and test.

    Raises:
        ParameterError, RasterError, RecordsError: they cannot be read, or do not fit each other.
    """
    room = budget(parameters.memory or parameters.ram)
    training = open_samples(
        SampleRole.TRAINING,
        parameters.sources,
        parameters.training_tfrecords,
        parameters.training_usestreaming,
        room // 2,
        progress,
    )
    assert training is not None  # nosec B101 (tells mypy; the parameters were checked)
    streaming = parameters.validation_usestreaming
    validation = open_samples(
        SampleRole.VALIDATION,
        parameters.validation_sources,
        parameters.validation_tfrecords,
        streaming,
        room // 4,
        progress,
    )
    test = open_samples(
        SampleRole.TEST, parameters.test_sources, parameters.test_tfrecords, streaming, room // 4, progress
    )
    join_labels(SampleSets(training, validation, test).by_role, parameters.ignored_label, progress)
    if parameters.validation_share:
        training, validation = _hold_back(parameters, training, progress)
    found = SampleSets(training, validation, test)
    for role, samples in found.by_role.items():
        _check_like(role, samples, training)
    return found


def _hold_back(
    parameters: TensorflowModelTrain, samples: Samples, progress: Progress
) -> tuple[PatchSamples, PatchSamples]:
    if not isinstance(samples, PatchSamples):
        raise ParameterError(
            "{validation_share} is {parameters_validation_share:g}, but needs patches images, because TFRecords "
            "cannot be divided: give a folder in {validation_tfrecords}.",
            validation_share=field("validation_share"),
            parameters_validation_share=parameters.validation_share,
            validation_tfrecords=field("validation_tfrecords"),
        )
    groups = read_groups(list(parameters.validation_groups)) if parameters.validation_groups else None
    parts = samples.hold_back(parameters.validation_share or 0.0, groups, parameters.seed)
    progress.info(
        Phrase(
            "Held back for validation: {size} of {samples_size} {samples_size:sample|samples}.",
            size=parts[1].size,
            samples_size=samples.size,
        )
    )
    return parts


def _check_like(role: SampleRole, samples: Samples, training: Samples) -> None:
    """Raise ParameterError where samples have other sources, or other patch sizes, than those for training."""
    if len(samples.keys) != len(training.keys):
        raise ParameterError(
            "There are {keys_count} sources for {role}, but {training_keys} for training: give the same, in the "
            "same order.",
            keys_count=len(samples.keys),
            role=role,
            training_keys=len(training.keys),
        )
    for key in training.keys:
        if samples.shapes[key] != training.shapes[key]:
            here, there = (" x ".join(map(str, s.shapes[key])) for s in (samples, training))
            raise ParameterError(
                "{mention} has patches of {here} (rows, columns, bands), but {mention_il} has patches of {there}: "
                "give patches of the same size.",
                mention=role.mention("il", key),
                here=here,
                mention_il=SampleRole.TRAINING.mention("il", key),
                there=there,
            )
