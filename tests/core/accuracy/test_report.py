"""Reports and their pictures."""

from __future__ import annotations

import base64
import gettext
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from otbtf_qgis.core.accuracy.figures import confusion_figure, curves_figure, reliability_figure
from otbtf_qgis.core.accuracy.reliability import reliability_of
from otbtf_qgis.core.accuracy.report import Report
from otbtf_qgis.core.accuracy.scores import ClassScores, class_scores, class_scores_of, regression_scores
from otbtf_qgis.core.base.languages import ENGLISH, Language, speak
from otbtf_qgis.core.parameters import vocabulary as voc
from otbtf_qgis.core.parameters.parsing import parse
from otbtf_qgis.core.phrases import Phrase

PNG = b"\x89PNG\r\n\x1a\n"


class Page(HTMLParser):
    """The texts of a page, its tags in order, and whether all of them are closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [str(value) for name, value in attributes if name in ("src", "href")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())


@pytest.fixture(scope="module")
def scores() -> ClassScores:
    return class_scores([1, 1, 2, 3], [1, 2, 2, 2], names=["<water>", "built & paved", "3"])


def rows(page: str) -> list[list[str]]:
    """The cells of all tables of a page."""
    lines = re.findall("<tr>(.*?)</tr>", page)
    return [[re.sub("<.*?>", "", cell) for cell in re.findall("<t[hd].*?</t[hd]>", line)] for line in lines]


def test_a_page_is_whole_and_needs_nothing_else(scores: ClassScores) -> None:
    report = Report("Map <1>")
    report.text("First & second\nline")
    report.class_scores("Validation", scores)
    report.figure("Course", curves_figure({"loss": [1, 0.5]}, "Training"), 'of "loss"')
    page = Page(report.html())
    assert page.open == []
    assert page.texts[0] == page.texts[1] == "Map <1>"
    assert "First & second" in page.texts
    assert {"<water>", "built & paved", "Validation", "Course"} <= set(page.texts)
    assert page.tags.count("img") == 2
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert base64.b64decode(page.addresses[0].split(",")[1]).startswith(PNG)
    assert not {"script", "link"} & set(page.tags)


def test_the_scores_stand_in_tables(scores: ClassScores) -> None:
    report = Report("Scores")
    report.class_scores("", scores)
    found = rows(report.html())
    assert found[:4] == [
        ["Overall accuracy", "0.500"],
        ["Kappa", "0.273"],
        ["Mean F-score", "0.389"],
        ["Samples", "4"],
    ]
    assert found[5] == ["&lt;water&gt;", "1.000", "0.500", "0.667", "2", "1"]
    assert found[7] == ["3", "–", "0.000", "0.000", "1", "0"]


def test_scores_of_values_stand_in_a_table() -> None:
    report = Report("Scores")
    report.regression_scores("Validation", regression_scores(np.ones((3, 2)), np.full((3, 2), 1e-5)))
    assert rows(report.html()) == [
        ["Band", "RMSE", "MAE", "R2"],
        ["1", "1.000", "1.000", "–"],
        ["2", "1.000", "1.000", "–"],
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567, "1\u202f234\u202f567"),
        (0.0, "0.000"),
        (2.0, "2.000"),
        (1e-5, "1e-05"),
        (1.5e7, "1.5e+07"),
        (np.int64(3), "3"),
        (float("inf"), "inf"),
        ("1.5", "1.5"),
        (True, "True"),
    ],
)
def test_values_are_shown_shortly(value: Any, text: str) -> None:
    report = Report("Values")
    report.table("", (), [("value", value)])
    assert rows(report.html()) == [["value", text]]


@dataclass(frozen=True)
class Part:
    il: tuple[str, ...] = voc.rasters("il", "Images", "Rasters.")


@dataclass(frozen=True)
class Operation:
    parts: tuple[Part, ...] = voc.numbered(Part, 3)
    lr: float = voc.number("lr", "Learning rate", "A number.", default=0.1)
    name: str = voc.text("name", "Name", "A text.")
    seed: int | None = voc.integer("seed", "Seed", "A number.")
    fast: bool = voc.boolean("fast", "Fast", "Yes or no.", default=True)


def test_parameters_are_listed_as_one_would_type_them() -> None:
    report = Report("Parameters")
    report.parameters(parse(Operation, {"source1.il": ["a.tif", "b.tif"], "source2.il": "c.tif"}))
    assert rows(report.html())[1:] == [
        ["SOURCE1_IL", "Source 1: images", "a.tif, b.tif"],
        ["SOURCE2_IL", "Source 2: images", "c.tif"],
        ["LR", "Learning rate", "0.1"],
        ["FAST", "Fast", "on"],
    ]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("classes", [1, 4, 60])
def test_a_matrix_of_any_size_has_a_picture(classes: int) -> None:
    matrix = np.eye(classes, dtype=int) * 2_500_000
    picture = confusion_figure(class_scores_of(matrix, range(classes), [f"$x^$ {n} $" for n in range(classes)]))
    assert picture.startswith(PNG)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "history",
    [
        {},
        {"loss": []},
        {"loss": [1.0]},
        {"loss": [float("nan"), 1.0], "val_loss": [0.5, 0.4], "val_$_$": [0.1, 0.2]},
        {"loss": [3.0, 2.0, 1.0, 0.5], "val_loss": [2.5, 1.5], "lr": [0.1] * 4},
    ],
)
def test_any_history_has_a_picture(history: dict[str, list[float]]) -> None:
    assert curves_figure(history, "Training $_$").startswith(PNG)


def test_secrets_in_addresses_are_not_passed_on() -> None:
    report = Report("Map")
    report.text("/vsicurl/https://example.org/a.tif?token=abc")
    assert "abc" not in report.html()


class French(gettext.NullTranslations):
    """A catalogue of a few words."""

    def gettext(self, message: str) -> str:
        return {"Accuracy of a map": "Exactitude d'une carte", "Samples": "Échantillons"}.get(message, message)


def test_phrases_are_in_the_language_of_the_process() -> None:
    """Names of the user, such as that of a class, are not."""
    report = Report(Phrase("Accuracy of a map"))
    report.table(Phrase("Samples"), (), [("Samples", 3)])
    speak(Language("fr", French()))
    try:
        report.heading(Phrase("Samples"))
        report.table("", (), [("", 0.8125), ("", 12345), ("", 1.5e-7)])
        page = report.html()
    finally:
        speak(ENGLISH)
    assert '<html lang="fr">' in page
    assert ">0,812</td>" in page and ">12\u202f345</td>" in page and ">1,5e-07</td>" in page
    assert "<h1" in page and "Exactitude d&#x27;une carte</h1>" in page
    assert Page(page).texts.count("Échantillons") == 1
    assert Page(page).texts.count("Samples") == 2


def test_numbers_along_axes_are_in_the_language_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []

    def labels_of(figure: Figure, *_: Any, **__: Any) -> None:
        figure.draw_without_rendering()
        for axes in figure.axes:
            drawn.append(axes.get_title())
            drawn.extend(label.get_text() for axis in (axes.xaxis, axes.yaxis) for label in axis.get_ticklabels())

    monkeypatch.setattr(Figure, "savefig", labels_of)
    speak(Language("fr", French()))
    try:
        curves_figure({"loss": [0.75, 0.25]}, "Training")
        confusion_figure(class_scores([1, 2], [1, 2], names=["1.5 m", "2.5 m"]))
        surer = reliability_of(np.array([0.9, 0.7]), np.array([True, True]))
        reliability_figure(reliability_of(np.array([0.95, 0.7]), np.array([True, False])), surer)
    finally:
        speak(ENGLISH)
    assert {"0,5", "0,4", "1.5 m", "2.5 m"} <= {*drawn}
    errors = [title for title in drawn if "calibration error" in title]
    assert errors == ["before: expected calibration error 0,375", "after: expected calibration error 0,200"]
    assert [label for label in drawn if "." in label and not label.endswith(" m")] == []
