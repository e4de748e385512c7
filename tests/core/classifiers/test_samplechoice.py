"""How many samples of each class a classifier gets, and which: OTB's numbers, and what its limits mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from otbtf_qgis.core.classes.legend import ClassEntry
from otbtf_qgis.core.classifiers.mapclasses import ClassCoding, label_type
from otbtf_qgis.core.classifiers.samplechoice import (
    SampleChoice,
    held_back,
    rates_of,
    training_limit,
    validation_limit,
)
from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.parameters.parsing import parse
from otbtf_qgis.core.vectors.vectorlayer import INTEGER, TEXT, Field

TOTALS = {"0": 980, "1": 1507, "2": 2463}
"""Of OTB 8.1 on the example data of 256 x 256 pixels."""


def choice(**values: Any) -> SampleChoice:
    return parse(SampleChoice, {"vd": "x", "sample.vfn": "c", **{f"sample.{k}": v for k, v in values.items()}})


@pytest.mark.parametrize(
    ("values", "dedicated", "training", "validation"),
    [
        ({}, False, 2000, 1000),
        ({"vtr": 0.25}, False, 1333, 1000),
        ({"mt": 100, "mv": 1000}, False, 200, 1000),
        ({"mt": 1000, "mv": 100}, False, 200, 100),
        ({"mt": -1, "mv": 100, "vtr": 0.2}, False, 500, 100),
        ({"mt": 100, "mv": -1, "vtr": 0.2}, False, 125, 25),
        ({"mt": -1, "mv": -1}, False, -1, -1),
        ({"mt": 100, "vtr": 0}, False, 100, 1000),
        ({"mt": 100, "mv": 50}, True, 100, 50),
        ({"mt": -1, "mv": 50, "vtr": 0.2}, True, 200, 50),
        ({"mt": 80, "mv": -1, "vtr": 0.2}, True, 80, 20),
    ],
)
def test_limits(values: dict[str, Any], dedicated: bool, training: int, validation: int) -> None:
    """OTB's arithmetic for sample.bm=0, which here holds for sample.bm=1 too."""
    assert training_limit(choice(**values), dedicated) == training
    assert validation_limit(choice(**values)) == validation


@pytest.mark.parametrize(
    ("balanced", "limit", "needed"),
    [
        (True, -1, [980, 980, 980]),  # what OTB takes with sample.bm=1
        (True, 2000, [980, 980, 980]),
        (True, 200, [200, 200, 200]),
        (False, -1, [980, 1507, 2463]),
        (False, 2000, [980, 1507, 2000]),
    ],
)
def test_numbers(balanced: bool, limit: int, needed: list[int]) -> None:
    assert [rate.needed for rate in rates_of(TOTALS, balanced, limit).values()] == needed


def test_a_class_without_a_pixel_does_not_count_as_the_smallest() -> None:
    assert [rate.needed for rate in rates_of({**TOTALS, "3": 0}, True, -1).values()] == [980, 980, 980, 0]


@pytest.mark.parametrize(("share", "held"), [(0.5, 490), (0.25, 245), (0.0, 0), (0.3, 294)])
def test_a_share_of_each_class_is_held_back(share: float, held: int) -> None:
    labels = np.repeat([7, 8, 9], 980)
    found = held_back(labels, share)
    assert [int(found[labels == label].sum()) for label in (7, 8, 9)] == [held] * 3
    if share == 0.5:  # every other one
        assert (np.diff(np.flatnonzero(found[:980])) == 2).all()


def test_texts_are_numbered_in_alphabetical_order_and_new_ones_on() -> None:
    coding = ClassCoding(Field("class", TEXT), True, ["water", "forest", "water"])
    assert coding.numbers(["water", "forest"]).tolist() == [1, 0]
    assert coding.numbers(["farm", "water"]).tolist() == [2, 1]
    legend = coding.legend({}, '[{"value": "water", "name": "Water", "color": "#0000ff"}]')
    assert legend == {0: ClassEntry("forest"), 1: ClassEntry("water", "#0000ff"), 2: ClassEntry("farm")}


def test_numbers_stay_what_they_are() -> None:
    coding = ClassCoding(Field("class", INTEGER), False, [3, -1])
    assert coding.numbers([3, -1, "3", 2.0]).tolist() == [3, -1, 3, 2]
    rows = '[{"value": 3, "name": "Water", "count": 5}, {"value": "all other values", "color": "#ffffff"}]'
    assert coding.legend({}, rows) == {3: ClassEntry("Water")}


@pytest.mark.parametrize("wrong", [[1.5], [float("nan")], [2**40]])
def test_what_is_no_class(wrong: list[Any]) -> None:
    with pytest.raises(ParameterError, match="class field"):
        ClassCoding(Field("class", INTEGER), False, [3]).numbers(wrong)


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [
        *(([0, 255], "uint8"), ([0, 256], "int16"), ([-1, 4], "int16"), ([0, 40000], "uint16"), ([-5, 40000], "int32")),
        *(([0, 3_000_000_000], "uint32"), ([0, 70000], "int32")),
    ],
)
def test_the_smallest_type_holds_the_labels(labels: list[int], dtype: str) -> None:
    assert label_type(labels, "auto", "OUT_PIXELTYPE") == dtype
