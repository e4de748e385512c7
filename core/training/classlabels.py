"""The labels of classes: which there are, which number each has in training, and what they are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..classes.legend import ClassEntry, Legend
from ..classes.modelclasses import Classes, ModelClass
from ..classes.palette import coloured
from ..errors import ParameterError, field
from ..parameters.sampleroles import SampleRole
from ..patches.patchesimage import read_description
from ..phrases import Phrase
from .samplebatches import PatchSamples, Samples

IGNORED = -1
"""The class number of ignored labels."""

_LISTED = 10


@dataclass(frozen=True)
class ClassTable:
    """The classes that a model distinguishes.

    Attributes:
        values: their labels, in ascending order; the place of each is its number in training.
        ignored: the label that is ignored; None where all count.
        legend: names and colours by label.
    """

    values: tuple[int, ...]
    ignored: int | None
    legend: Legend

    @property
    def names(self) -> tuple[str, ...]:
        """What each class is called: by the legend, else its label."""
        return tuple((self.legend[v].name if v in self.legend else "") or str(v) for v in self.values)

    @property
    def described(self) -> Classes:
        """The classes as a model's sidecar holds them, each with a colour."""
        return described_classes(self.values, self.legend)

    def numbers(self, labels: Any) -> Any:
        """Return the classes' numbers of labels, an int32 tensor of the same shape; `IGNORED` for the ignored one."""
        import tensorflow as tf

        flat = tf.cast(tf.reshape(labels, [-1]), tf.int64)
        found = tf.searchsorted(tf.constant(self.values, tf.int64), flat)
        if self.ignored is not None:
            found = tf.where(flat == self.ignored, IGNORED, found)
        return tf.reshape(found, tf.shape(labels))


def described_classes(values: Iterable[int], legend: Legend) -> Classes:
    """Return classes as a model's sidecar holds them, each with a colour."""
    known = ((value, legend.get(value, ClassEntry())) for value in values)
    return coloured(tuple(ModelClass(value, entry.name, entry.color) for value, entry in known))


def count_labels(samples: Samples, target: str, role: SampleRole) -> Counter[int]:
    """Return how often each label occurs.

    Args:
        samples: the samples.
        target: their source that holds labels.
        role: of the samples, for messages.

    Raises:
        ParameterError: a label is no whole number, or there is more than one for a pixel.
    """
    shape = samples.shapes[target]
    name, cure = (
        role.mention("il", target),
        Phrase("set {validation_mode} to rmse for values", validation_mode=field("validation_mode")),
    )
    if shape[2:] not in ((), (1,)):
        raise ParameterError(
            "{name} has {shape} bands, but labels have one: give a labels image, or {cure}.",
            name=name,
            shape=shape[-1],
            cure=cure,
        )
    found: Counter[int] = Counter()
    for values in samples.values(target):
        labels, counts = np.unique(values, return_counts=True)
        wrong = labels[~(np.isfinite(labels) & (labels == np.round(labels)))]
        if len(wrong):
            raise ParameterError(
                "{name} holds {wrong:g}, but labels must be whole numbers: choose another field for the labels, or "
                "{cure}.",
                name=name,
                wrong=wrong[0],
                cure=cure,
            )
        found.update(dict(zip(labels.astype("int64").tolist(), counts.tolist())))
    return found


def class_table(
    counts: Mapping[SampleRole, Counter[int]],
    outputs: int | None,
    remap: bool,
    ignored: int | None,
    legend: Legend,
    known: Sequence[int] = (),
) -> ClassTable:
    """Return the classes.

    Args:
        counts: labels of each role's samples.
        outputs: number of classes that the model has; None where it is made for the labels.
        remap: True to number the labels that occur; False where they are numbers from 0 on already.
        ignored: the label that does not count.
        legend: names and colours.
        known: the labels of the classes that the model has learned, ascending; empty where nothing tells them.

    Raises:
        ParameterError: labels do not fit; they are listed, and what can be done.
    """
    every = sorted(set().union(*counts.values()) - {ignored})
    if not set(counts[SampleRole.TRAINING]) - {ignored}:
        raise ParameterError(
            "All labels for training are {ignored}, which is {ignored_label}, so none is left to learn: ignore "
            "another label, or give samples with other labels.",
            ignored=ignored,
            ignored_label=field("ignored_label"),
        )
    if known and set(every) <= set(known):
        return ClassTable(tuple(known), ignored, legend)
    if remap:
        if outputs is not None and len(every) > outputs:
            raise ParameterError(
                "There are {every_count} labels ({listed}), but the model distinguishes {outputs} classes: choose a "
                "model for {every_count} classes, set {extend_classes} to add classes to it, or ignore labels.",
                extend_classes=field("extend_classes"),
                every_count=len(every),
                listed=_listed(every),
                outputs=outputs,
            )
        spare = range(every[-1] + 1, every[-1] + 1 + (outputs or 0) - len(every))
        return ClassTable((*every, *spare), ignored, legend)
    most = outputs if outputs is not None else every[-1] + 1
    wrong = [label for label in every if not 0 <= label < most]
    if wrong:
        raise ParameterError(_wrong_labels(wrong, counts, every, outputs))
    return ClassTable(tuple(range(max(most, 2))), ignored, legend)


def _wrong_labels(
    wrong: Sequence[int], counts: Mapping[SampleRole, Counter[int]], every: Sequence[int], outputs: int | None
) -> str:
    total = sum(counts.values(), Counter())
    named = Phrase(", ").join(
        Phrase("{label} ({total} times)", label=label, total=total[label]) for label in wrong[:_LISTED]
    )
    more = Phrase(" and {wrong_count} more", wrong_count=len(wrong) - _LISTED) if len(wrong) > _LISTED else ""
    span = (
        Phrase(
            "0 to {outputs}, because the model distinguishes {outputs2} classes", outputs=outputs - 1, outputs2=outputs
        )
        if outputs
        else Phrase("0 or more")
    )
    return Phrase(
        "Labels must be {span}, but there are: {named}{more}. Set {remap_labels} to number the {every_count} labels "
        "({listed}) from 0; the model then returns the original labels. Or exclude one label with {ignored_label}{add}.",
        add=Phrase(", or add classes to a trained model with {extend_classes}", extend_classes=field("extend_classes"))
        if outputs
        else "",
        span=span,
        named=named,
        more=more,
        remap_labels=field("remap_labels"),
        every_count=len(every),
        listed=_listed(every),
        ignored_label=field("ignored_label"),
    )


def _listed(labels: Sequence[int]) -> str:
    return ", ".join(map(str, labels[:_LISTED])) + (", ..." if len(labels) > _LISTED else "")


def missing_labels(table: ClassTable, counts: Mapping[int, int]) -> list[int]:
    """Return the classes without a sample for training."""
    return [value for value in table.values if not counts.get(value)]


def balanced_weights(table: ClassTable, counts: Mapping[int, int]) -> dict[int, float]:
    """Return by class number a weight in inverse proportion to how often it occurs; their mean over all samples is 1."""
    present = {number: counts.get(value, 0) for number, value in enumerate(table.values)}
    total, classes = sum(present.values()), sum(1 for count in present.values() if count)
    return {number: total / (classes * count) if count else 1.0 for number, count in present.items()}


def legend_of(samples: Samples, target: str) -> Legend:
    """Return names and colours of the classes, from what the patches' JSON says of them or of the label raster."""
    if samples.joined is not None and target == samples.keys[-1]:
        return samples.joined
    found: Legend = {}
    for legend in samples.legends(target):
        found = {**legend, **found}
    return found


def alphas_of(samples: Samples, inputs: Mapping[str, str]) -> dict[str, str]:
    """Return what bands marked as alpha were when patches were cut, by name of the input that these feed.

    Args:
        samples: for training.
        inputs: names of the inputs by source.
    """
    if not isinstance(samples, PatchSamples):
        return {}
    return {
        name: str(read_description(path)["alpha"])
        for source, name in inputs.items()
        for path in reversed(samples.files.get(source, ()))
        if read_description(path).get("alpha") in ("mask", "band")
    }
