"""The kinds of keys: what each reads, takes on a command line, and says of itself."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytest

from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.parameters import kinds
from otbtf_qgis.core.parameters.kinds import Content, Key, Kind

ALL = [kind for kind in vars(kinds).values() if isinstance(kind, Kind)]
SWITCH, WORDS = ("auto", "on", "off"), ("small", "large")


def key(kind: Kind, **more: Any) -> Key:
    return Key("a.key", kind, "A key", "What it is for.", **more)


@pytest.mark.parametrize(
    ("kind", "given", "read"),
    [
        (kinds.RASTER, "a.tif", "a.tif"),
        (kinds.RASTER, {"path": "a.tif"}, {"path": "a.tif"}),
        (kinds.RASTER, " ", None),
        (kinds.RASTERS, "a.tif", ("a.tif",)),
        (kinds.RASTERS, ["a.tif", "", {"path": "b.tif"}], ("a.tif", {"path": "b.tif"})),
        (kinds.VECTORS, ("a.shp", "b.shp"), ("a.shp", "b.shp")),
        (kinds.FILES, ["a.keras", "b"], ("a.keras", "b")),
        (kinds.FIELDS, "red green", ("red", "green")),
        (kinds.FIELDS, "near infrared; red", ("near infrared", "red")),
        (kinds.FIELD, 7, "7"),
        (kinds.TEXT, " ", " "),
        (kinds.TEXT, ["a", 1], "a 1"),
        (kinds.INTEGER, "3.0", 3),
        (kinds.INTEGER, "", None),
        (kinds.NUMBER, "1e-3", 0.001),
        (kinds.BOOLEAN, "Yes", True),
        (kinds.BOOLEAN, 0, False),
        (kinds.FILE_OUT, "a.csv", "a.csv"),
    ],
)
def test_values(kind: Kind, given: Any, read: Any) -> None:
    found = key(kind).read(given)
    assert (found, type(found)) == (read, type(read))


def test_no_number_is_a_number() -> None:
    assert math.isnan(key(kinds.NUMBER).read("nan"))


@pytest.mark.parametrize("given", ["abc", "1.5", True, None, [1], "inf"])
def test_no_whole_number(given: Any) -> None:
    with pytest.raises(ParameterError, match="A_KEY is .*, but must be a whole number"):
        key(kinds.INTEGER).read(given)


@pytest.mark.parametrize(
    ("given", "told"), [("-1", "at least 0"), (2, "at most 1"), ("inf", "at most 1"), ("nan", "at least 0")]
)
def test_bounds(given: Any, told: str) -> None:
    assert key(kinds.NUMBER, minimum=0, maximum=1).read("1") == 1
    with pytest.raises(ParameterError, match=f"must be {told}"):
        key(kinds.NUMBER, minimum=0, maximum=1).read(given)


def test_choices_with_on_and_off_take_booleans() -> None:
    assert [key(kinds.CHOICE, choices=SWITCH).read(word) for word in (True, False, "auto")] == ["on", "off", "auto"]
    with pytest.raises(ParameterError, match="must be one of: small, large"):
        key(kinds.CHOICE, choices=WORDS).read(True)


@pytest.mark.parametrize(
    ("kind", "words", "value"),
    [
        (kinds.RASTERS, ["a.tif", "b.tif"], ("a.tif", "b.tif")),
        (kinds.TEXT, ["a", "b"], "a b"),
        (kinds.NUMBER, ["1"], "1"),
        (kinds.BOOLEAN, [], "on"),
        (kinds.BOOLEAN, ["false"], "false"),
    ],
)
def test_words_of_a_command_line(kind: Kind, words: list[str], value: Any) -> None:
    assert kind.of_words(key(kind), words) == value


def test_a_switch_on_a_command_line() -> None:
    switch = key(kinds.CHOICE, choices=SWITCH)
    assert [switch.kind.of_words(switch, words) for words in ([], ["1"], ["FALSE"], ["auto"])] == [
        *("on", "on", "off", "auto"),
    ]
    assert switch.kind.stands_alone(switch)
    assert not kinds.CHOICE.stands_alone(key(kinds.CHOICE, choices=WORDS))


@pytest.mark.parametrize(
    "kind", [kind for kind in ALL if not kind.is_list and kind is not kinds.TEXT], ids=lambda kind: kind.word
)
def test_a_single_value_is_one_word(kind: Kind) -> None:
    with pytest.raises(ParameterError, match="-a.key takes one value, but 2 are given"):
        kind.of_words(key(kind, choices=WORDS), ["a", "b"])


def test_paths_become_absolute_where_a_value_holds_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here = os.path.join(tmp_path, "a.tif")
    for kind in ALL:
        assert kind.absolute("./a.tif") == (here if kind.content else "./a.tif"), kind.word


def test_what_they_say_of_themselves() -> None:
    assert key(kinds.INTEGER, minimum=1, maximum=9).kind.takes(key(kinds.INTEGER, minimum=1, maximum=9)) == (
        "integer from 1 to 9"
    )
    assert kinds.CHOICE.takes(key(kinds.CHOICE, choices=WORDS), "`") == "one of `small`, `large`"
    assert len({kind.word for kind in ALL}) == len(ALL)
    assert {kind for kind in ALL if kind.is_output} == {
        *(kinds.RASTER_OUT, kinds.VECTOR_OUT, kinds.FILE_OUT, kinds.FOLDER_OUT),
    }
    assert {kind.content for kind in ALL if kind.is_output} == set(Content)
