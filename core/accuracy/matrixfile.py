"""Confusion matrices as the CSV files that OTB's applications write and read.

As a confusion matrix, two lines of comment name the classes of the rows and columns (only those that
occur in the reference, and among what was found):

    #Reference labels (rows):1,2,4
    #Produced labels (columns):1,2,3
    69,3,5
    4,90,8
    8,10,9

As a contingency table, they stand in the table itself:

    labels,1,2,3
    1,69,3,5
    ...
"""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ParameterError
from .scores import ClassScores, class_scores_of

_ROWS, _COLUMNS, _CORNER = "#Reference labels (rows):", "#Produced labels (columns):", "labels"


def text(scores: ClassScores, form: str = "confusionmatrix") -> str:
    """Return the file's text, in one of `core.operations.computeconfusionmatrix.FORMATS`."""
    rows = np.flatnonzero(scores.matrix.sum(axis=1))
    columns = np.flatnonzero(scores.matrix.sum(axis=0))
    produced = [scores.labels[at] for at in columns]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    if form == "contingencytable":
        writer.writerow([_CORNER, *produced])
        for row in rows:
            writer.writerow([scores.labels[row], *scores.matrix[row, columns]])
        return buffer.getvalue()
    buffer.write(_ROWS)
    writer.writerow(scores.labels[at] for at in rows)
    buffer.write(_COLUMNS)
    writer.writerow(produced)
    writer.writerows(scores.matrix[np.ix_(rows, columns)])
    return buffer.getvalue()


def write(path: str | Path, scores: ClassScores, form: str = "confusionmatrix") -> None:
    """Write a matrix, in one of `computeconfusionmatrix.FORMATS`; into a place of its own, which the caller stages.

    Raises:
        ParameterError: it cannot be written.
    """
    try:
        Path(path).write_bytes(text(scores, form).encode("utf-8"))
    except OSError as error:
        raise ParameterError(
            "Cannot write the confusion matrix {path}: {reason}.", path=path, reason=error.strerror
        ) from error


def read(path: str | Path) -> ClassScores:
    """Read a matrix in either form, with its scores; see `read_counts`."""
    labels, counts = read_counts(path)
    return class_scores_of(counts, labels)


def read_counts(path: str | Path) -> tuple[list[Any], np.ndarray]:
    """Read a matrix in either form.

    Returns:
        The classes, those of rows and columns together: int where all of them are numbers, else str; and the samples, int64
        (classes, classes), with the reference in rows.

    Raises:
        ParameterError: the file cannot be read, or is not such a matrix.
    """
    try:
        lines = [line for line in Path(path).read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError("Cannot read the confusion matrix {path}: {error}.", path=path, error=error) from error
    wrong = ParameterError(
        "{path} is not a confusion matrix as OTB writes it (a CSV that names its classes).", path=path
    )
    try:
        if lines[0].startswith(_ROWS) and lines[1].startswith(_COLUMNS):
            reference = _fields(lines[0][len(_ROWS) :])
            produced = _fields(lines[1][len(_COLUMNS) :])
            counts = [_fields(line) for line in lines[2:]]
        elif _fields(lines[0])[0] == _CORNER:
            produced = _fields(lines[0])[1:]
            table = [_fields(line) for line in lines[1:]]
            reference, counts = [row[0] for row in table], [row[1:] for row in table]
        else:
            raise wrong
        numbers = np.array(counts, np.float64).reshape(len(reference), len(produced))
    except (IndexError, ValueError) as error:
        raise wrong from error
    for labels in (reference, produced):
        if len(set(labels)) < len(labels):
            raise ParameterError("The confusion matrix {path} names a class twice.", path=path)
    bad = numbers[~((numbers >= 0) & (numbers == np.floor(numbers)) & np.isfinite(numbers))]
    if len(bad):
        raise ParameterError(
            "The confusion matrix {path} holds {value:g}, but must hold the numbers of samples, whole numbers from 0 on: "
            "shares or percentages do not tell how many there are.",
            path=path,
            value=float(bad[0]),
        )
    return _square(reference, produced, numbers)


def _fields(line: str) -> list[str]:
    return next(csv.reader([line]), [])


def _square(reference: Sequence[str], produced: Sequence[str], counts: np.ndarray) -> tuple[list[Any], np.ndarray]:
    """Return all classes and the matrix over them; labels are numbers where all of them are."""
    labels: list[Any] = [*reference, *produced]
    with contextlib.suppress(ValueError):
        labels = [int(label) for label in labels]
    classes = sorted(set(labels))
    places = [classes.index(label) for label in labels]
    matrix = np.zeros((len(classes), len(classes)), np.int64)
    matrix[np.ix_(places[: len(reference)], places[len(reference) :])] = counts
    return classes, matrix
