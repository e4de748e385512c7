"""What files of labels tell of their classes, and labels of several files joined by the names of their classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..base.progress import Progress
from ..classes.joinedclasses import joined, told
from ..classes.legend import Legend, known_classes
from ..errors import OtbtfError
from ..parameters.detectionmaps import CONTENT
from ..parameters.sampleroles import SampleRole
from ..patches.patchesimage import read_description, rows_legend
from ..phrases import Phrase
from ..rasters.rasteropening import open_dataset


def file_legend(path: str) -> Legend:
    """Return names and colours of the classes in a labels image, or in an image of label tiles."""
    description = read_description(path)
    if description.get("content") == CONTENT:  # maps of objects hold no labels that could be numbered
        return {}
    if description.get("content") != "patches":
        return rows_legend(description)
    found: Legend = {}  # label tiles: the classes are those of the raster
    for legend in _legends_of(description.get("sources", ())):
        found = {**legend, **found}
    return found


def _legends_of(paths: Iterable[str]) -> list[Legend]:
    found = []
    for path in paths:
        if Path(path).exists():
            try:
                found.append(known_classes(open_dataset(path)[0]))
            except OtbtfError:  # moved or replaced since: the names are a help, not a need
                continue
    return found


def join_labels(sets: Mapping[SampleRole, Any], ignored: int | None, progress: Progress) -> None:
    """Have the labels of all roles numbered alike, where their files name classes and number them differently.

    Args:
        sets: samples by role, those for training first; their last source holds the labels.
        ignored: the label that does not count.
        progress: told of classes that get another number, and of files that name none.
    """
    legends = {role: samples.label_legends() for role, samples in sets.items()}
    flat = [legend for parts in legends.values() for legend in parts]
    named = [any(entry.name for entry in legend.values()) for legend in flat]
    if len(flat) < 2 or not any(named):
        return
    legend, renumberings = joined(flat, [] if ignored is None else [ignored])
    if any(renumberings):
        progress.info(
            Phrase(
                "Labels of several runs are joined by the names of their classes: {legend}.",
                legend=told(legend, renumberings),
            )
        )
    if not all(named) and any(renumberings):
        progress.warning("Some labels have no class names beside them and are joined by their numbers.")
    start = 0
    for role, samples in sets.items():
        end = start + len(legends[role])
        samples.join(legend, renumberings[start:end])
        start = end
