"""The files of confusion matrices, as OTB writes and reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from otbtf_qgis.core.accuracy import matrixfile
from otbtf_qgis.core.accuracy.scores import class_scores
from otbtf_qgis.core.errors import ParameterError

# What OTB 8.1.1 writes (otbcli_ComputeConfusionMatrix) for a map without class 5 and 9, and a reference without 0 and 3.
OTB_MATRIX = """\
#Reference labels (rows):1,2,4,5,9
#Produced labels (columns):0,1,2,3,4
7,69,3,5,14
8,4,90,8,13
7,8,10,9,87
7,10,6,8,7
6,3,10,83,8
"""
OTB_TABLE = """\
labels,0,1,2,3,4
1,7,69,3,5,14
2,8,4,90,8,13
4,7,8,10,9,87
5,7,10,6,8,7
9,6,3,10,83,8

"""


@pytest.mark.parametrize(("form", "text"), [("confusionmatrix", OTB_MATRIX), ("contingencytable", OTB_TABLE)])
def test_matrices_are_read_and_written_as_otb_does(tmp_path: Path, form: str, text: str) -> None:
    (tmp_path / "otb.csv").write_text(text)
    scores = matrixfile.read(tmp_path / "otb.csv")
    assert scores.labels == (0, 1, 2, 3, 4, 5, 9)
    assert scores.matrix[1].tolist() == [7, 69, 3, 5, 14, 0, 0]
    assert scores.matrix[:, 9 - 3].tolist() == [0] * 7
    matrixfile.write(tmp_path / "own.csv", scores, form)
    assert (tmp_path / "own.csv").read_text().split() == text.split()


def test_labels_that_are_texts_are_quoted_where_they_need_it(tmp_path: Path) -> None:
    scores = class_scores(["wood, dense", "water"], ["water", "water"])
    matrixfile.write(tmp_path / "m.csv", scores)
    assert matrixfile.read(tmp_path / "m.csv").labels == ("water", "wood, dense")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a,b\n1,2\n",
        "#Reference labels (rows):1\n",
        "#Reference labels (rows):1\n#Produced labels (columns) 1\n5\n",
        "#Reference labels (rows) 1\n#Produced labels (columns):1\n5\n",
        OTB_MATRIX[:-5],
        "labels,1\n1,x\n",
        "labels,1\n1\n",
    ],
)
def test_a_file_that_is_no_matrix_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(ParameterError, match="is not a confusion matrix"):
        matrixfile.read(tmp_path / "m.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("labels,1,2\n1,0.95,0.05\n2,0,1\n", "holds 0.95, but must hold the numbers of samples"),
        ("labels,1,2\n1,3,-1\n2,0,1\n", "holds -1,"),
        ("labels,1,2\n1,3,nan\n2,0,1\n", "holds nan,"),
        ("labels,1,2\n1,3,inf\n2,0,1\n", "holds inf,"),
        ("labels,1,1\n1,3,1\n2,0,1\n", "names a class twice"),
        ("labels,1,2\n2,3,1\n2,0,1\n", "names a class twice"),
    ],
)
def test_what_counts_no_samples_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(ParameterError, match=message):
        matrixfile.read(tmp_path / "m.csv")


def test_a_matrix_that_cannot_be_read_or_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="Cannot read the confusion matrix"):
        matrixfile.read(tmp_path / "missing.csv")
    with pytest.raises(ParameterError, match="Cannot write the confusion matrix"):
        matrixfile.write(tmp_path / "missing" / "m.csv", class_scores([1], [1]))
