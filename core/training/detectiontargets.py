"""The detection maps that a detector learns: their classes, and the size of their cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..base.progress import Progress
from ..classes.legend import as_rows
from ..classes.modelclasses import Classes
from ..errors import ModelError, ParameterError
from ..models.sidecar import read_sidecar
from ..parameters.detectionmaps import CONTENT, MORE_IN_TARGET, STRIDES
from ..parameters.sampleroles import SampleRole
from ..parameters.templatenames import template_of
from ..patches.patchesimage import read_description, rows_legend
from ..phrases import Phrase
from .classlabels import described_classes
from .samplebatches import PatchSamples, Samples
from .samplesets import SampleSets
from .sourceroles import SourceRoles


def detector_options(samples: Samples, image: str, target: str) -> dict[str, Any]:
    """Return the options of the template that follow from a target: number of classes, pixels of a cell.

    Args:
        samples: for training.
        image: the source that the model is given.
        target: the source with the detection maps.

    Raises:
        ParameterError: the target holds no detection maps.
    """
    sides, maps = samples.shapes[image][:2], samples.shapes[target]
    stride = sides[0] // maps[0] if maps[0] else 0
    if maps[-1] <= MORE_IN_TARGET or stride not in STRIDES or tuple(side * stride for side in maps[:2]) != tuple(sides):
        raise ParameterError(
            "{target} has patches of {maps} (rows, columns, bands), which are no detection maps for patches of {sides}: give "
            "those that otbtf:patchesextraction makes of objects.",
            target=SampleRole.TRAINING.mention("il", target),
            maps=" x ".join(map(str, maps)),
            sides=" x ".join(map(str, sides)),
        )
    return {"classes": maps[-1] - MORE_IN_TARGET, "stride": stride}


def object_classes(sets: SampleSets, roles: Mapping[SampleRole, SourceRoles]) -> Classes:
    """Return the classes of the heat maps, in their order; empty where nothing tells them.

    Raises:
        ParameterError: files have other classes than the first one.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for role, samples in sets.by_role.items():
        for path in samples.files[roles[role].target] if isinstance(samples, PatchSamples) else ():
            described = read_description(path)
            if described.get("content") == CONTENT:
                legend = rows_legend(described)
                found[path] = as_rows(legend, legend)
    if not found:
        return ()
    first, classes = next(iter(found.items()))
    for path, other in found.items():
        if [row["value"] for row in other] != [row["value"] for row in classes] or _names(other) != _names(classes):
            raise ParameterError(
                "The detection maps {path} have the classes {other}, but {first} has {classes}: extract them with layers of "
                "the same classes.",
                path=path,
                other=", ".join(_names(other)),
                first=first,
                classes=", ".join(_names(classes)),
            )
    return described_classes([row["value"] for row in classes], rows_legend({"classes": classes}))


def warn_of_other_objects(classes: Classes, model_dir: str, output: str, progress: Progress) -> None:
    """Warn where a model that is trained further has heat maps of other classes.

    Args:
        classes: of the samples, in the order of the heat maps.
        model_dir: the model.
        output: that is trained.
        progress: told of it.
    """
    if template_of(model_dir) is not None:
        return
    try:
        sidecar = read_sidecar(model_dir)
    except ModelError:  # the search for its classes has told of it
        return
    known = sidecar.classes.get(output, ()) if sidecar else ()
    told = [[each.name or str(each.value) for each in own] for own in (known, classes)]
    if known and classes and told[0] != told[1]:
        progress.warning(
            Phrase(
                "The model {model_dir} finds {known}, but the detection maps have {classes}: its heat maps, in this order, "
                "become those of these classes.",
                model_dir=model_dir,
                known=", ".join(told[0]),
                classes=", ".join(told[1]),
            )
        )


def _names(rows: list[dict[str, Any]]) -> list[str]:
    return [str(row.get("name") or row["value"]) for row in rows]
