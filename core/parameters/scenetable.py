"""The table of further scenes: images with labels of their own, which are learned from and mapped as the first one."""

from __future__ import annotations

from typing import Any

from . import vocabulary as voc
from .sections import IMAGES

NAME, HELD_BACK = "name", "held_back"
"""Columns of the table that are no parameters."""


def scenes(columns: str, what: str, rule: str, maps: str) -> Any:
    """The key `scenes`.

    Args:
        columns: names of the columns with images and labels.
        what: what is known at labelled pixels, as the accuracy is called after.
        rule: how many samples a scene gives, as a sentence.
        maps: where the maps of the scenes go, as a sentence; empty where none are made.
    """
    told = (
        f"Table of further scenes to learn from: a CSV file, or a layer, with a row for each scene and the columns {columns}. "
        "An empty cell, or a column that is left out, has the value of the form; several files in a cell are separated by "
        "semicolons, and relative paths begin in the table's folder. NAME is what the scene is called (default: its image "
        f"file). HELD_BACK: yes for scenes that only validate: the {what} is then that on images which were never seen, and "
        f"all samples of the other scenes are for training. {rule} {maps}"
    )
    return voc.file(
        "scenes",
        "Further scenes",
        told.rstrip(),
        required=False,
        advanced=True,
        section=IMAGES,
        file_filter="Tables (*.csv *.tsv *.txt *.gpkg);;All files (*)",
    )
