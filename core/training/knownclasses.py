"""The classes that a model was trained for before: a further training keeps their numbers, and their names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..base.progress import Progress
from ..classes.legend import ClassEntry, Legend
from ..classes.modelclasses import Classes, ModelClass
from ..errors import ModelError, field
from ..models.sidecar import read_sidecar
from ..parameters.templatenames import template_of
from ..phrases import Phrase

if TYPE_CHECKING:
    from .network import Network


def classes_of_model(network: Network, model_dir: str, output: str, progress: Progress) -> Classes:
    """Return the classes of an output that an earlier training wrote down, in the order of its bands.

    Args:
        network: the model.
        model_dir: where it came from.
        output: that is trained.
        progress: hears of a sidecar that belongs to another model.

    Returns:
        The classes; empty where nothing tells them.
    """
    classes: Classes = ()
    if template_of(model_dir) is None:
        try:
            sidecar = read_sidecar(model_dir)
        except ModelError as error:
            progress.warning(error.message)
        else:
            classes = sidecar.classes.get(output, ()) if sidecar else ()
    if not classes and network.labels:
        classes = tuple(ModelClass(value) for value in network.labels)
    values = [each.value for each in classes]
    return classes if len(values) == network.bands and values == sorted(set(values)) else ()


def joined_legend(known: Classes, legend: Legend, progress: Progress) -> Legend:
    """Return names and colours of the model's classes and the samples'; warn where a label has two names.

    Args:
        known: the model's classes.
        legend: of the samples, which decides.
        progress: hears of such labels.
    """
    own = {each.value: ClassEntry(each.name, each.color) for each in known if each.name or each.color}
    for value in sorted(own.keys() & legend.keys()):
        here, there = legend[value].name, own[value].name
        if here and there and here.casefold() != there.casefold():
            progress.warning(
                Phrase(
                    "Label {value} is called {here} in the samples, but {there} in the model: if these are different "
                    "classes, change the labels of the samples.",
                    value=value,
                    here=here,
                    there=there,
                )
            )
    return {**own, **legend}


def warn_of_other_classes(known: Sequence[int], labels: Iterable[int], progress: Progress) -> None:
    """Warn where a model's outputs will stand for other classes than before."""
    others = sorted(set(labels) - set(known))
    if known and others:
        progress.warning(
            Phrase(
                "The classes of the model are {known}, but the samples also have the labels {others}: the outputs are "
                "given new labels, and what the model has learned of its classes is of little use. To keep them and add "
                "the new ones, set {extend_classes}.",
                known=", ".join(map(str, known)),
                others=", ".join(map(str, others)),
                extend_classes=field("extend_classes"),
            )
        )
