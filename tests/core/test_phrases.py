"""Texts for the user: English by themselves, and a template with values for whoever translates them."""

from __future__ import annotations

import copy
import gettext
import json
import pickle
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from otbtf_qgis.core.base.languages import Language
from otbtf_qgis.core.errors import ModelError, OtbtfError, ParameterError, RasterError, as_key, field, worded
from otbtf_qgis.core.parameters.sampleroles import SampleRole
from otbtf_qgis.core.phrases import Phrase, decoded, encoded, plain, translated


class French:
    """A language with a few words."""

    TEXTS = {
        "The image {path} has {bands} bands{why}.": "L'image {path} a {bands} bandes{why}.",
        ", because {reason}": ", car {reason}",
        "it is remote": "elle est distante",
        "{share:.1%} of {count:,} pixels": "{share:.1%} des {count:,} pixels",
        "{found} is damaged": "{lost} est abîmé",
        " and ": " et ",
        "no data": "sans données",
    }

    def text(self, template: str) -> str:
        return self.TEXTS.get(template, template)

    def number(self, value: float, form: str) -> str:
        return format(value, form).replace(".", ";")

    def is_one(self, value: float) -> bool:
        return value == 1


def nested() -> Phrase:
    return Phrase(
        "The image {path} has {bands} bands{why}.",
        path="a.tif",
        bands=3,
        why=Phrase(", because {reason}", reason=Phrase("it is remote")),
    )


def test_a_phrase_is_its_english_text() -> None:
    assert nested() == "The image a.tif has 3 bands, because it is remote."
    assert json.loads(json.dumps({"message": nested()})) == {"message": str(nested())}
    assert type(str(nested())) is str


def test_phrases_in_a_phrase_are_translated_too() -> None:
    assert translated(nested(), French()) == "L'image a.tif a 3 bandes, car elle est distante."


def test_texts_of_the_user_are_not_translated() -> None:
    phrase = Phrase("The image {path} has {bands} bands{why}.", path="no data", bands=1, why="")
    assert translated(phrase, French()) == "L'image no data a 1 bandes."
    assert translated("no data", French()) == "no data"


def test_a_damaged_translation_gives_way_to_english() -> None:
    assert translated(Phrase("{found} is damaged", found="a.tif"), French()) == "a.tif is damaged"


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it)), lambda it: through_json(it)]
)
def test_a_phrase_survives(again: object) -> None:
    other = again(nested())
    assert other == nested()
    assert translated(other, French()) == translated(nested(), French())


def through_json(phrase: str) -> str:
    return decoded(json.loads(json.dumps(encoded(phrase))))


def test_literals_and_plain_texts_are_texts_in_json() -> None:
    assert encoded(plain("It is full.")) == encoded("It is full.") == "It is full."
    assert encoded(plain("a {b} c")) == {"template": "a {{b}} c", "values": {}}
    assert through_json(plain("a {b} c")) == "a {b} c"


@pytest.mark.parametrize(
    "odd", [3, None, ["a"], {}, {"template": "a"}, {"template": "{b}", "values": {}}, {"template": 1, "values": {}}]
)
def test_json_that_is_no_phrase_is_refused(odd: object) -> None:
    with pytest.raises(ValueError, match="no phrase"):
        decoded(odd)


def test_parts_are_joined() -> None:
    parts = [Phrase("no data"), "b.tif", Phrase("it is remote")]
    assert Phrase(", ").join(parts) == "no data, b.tif, it is remote"
    assert translated(Phrase(" and ").join(parts), French()) == "sans données et b.tif et elle est distante"
    assert Phrase(", ").join([]) == ""
    assert translated("a: " + parts[0] + "{}", French()) == "a: sans données{}"


@pytest.mark.parametrize(
    ("value", "form", "shown"),
    [
        (np.float32(0.1), "", "0.1"),
        (np.float32(0.1), ":.3f", "0.100"),
        (np.int64(7), "", "7"),
        (np.uint8(7), ":,", "7"),
        (Path("a/b"), "", "a/b"),
        ((4, 2), "!r", "(4, 2)"),
        ("a", "!r", "'a'"),
        (Fraction(1, 2), "", "1/2"),
        (None, "", "None"),
        (ValueError("bad"), "", "bad"),
    ],
)
def test_values_of_any_type(value: object, form: str, shown: str) -> None:
    """A phrase holds what JSON can."""
    phrase = Phrase(f"{{value{form}}}", value=value)
    assert phrase == shown
    assert through_json(phrase) == shown
    assert pickle.loads(pickle.dumps(phrase)).with_texts(str) == shown


def test_a_role_of_samples_is_its_word() -> None:
    phrase = Phrase("Scores on data for {role}", role=SampleRole.VALIDATION)
    assert phrase == "Scores on data for validation"
    assert decoded(json.loads(json.dumps(encoded(phrase)))) == phrase
    assert isinstance(phrase.values["role"], Phrase)


def test_numbers_are_written_by_the_language() -> None:
    phrase = Phrase("{share:.1%} of {count:,} pixels", share=0.125, count=1200)
    assert phrase == "12.5% of 1,200 pixels"
    assert translated(phrase, French()) == "12;5% des 1,200 pixels"


def test_an_error_takes_a_template_and_values() -> None:
    error = RasterError("The image {path} has {bands} bands{why}.", path="a.tif", bands=3, why="")
    assert str(error) == "The image a.tif has 3 bands."
    assert translated(pickle.loads(pickle.dumps(error)).message, French()) == "L'image a.tif a 3 bandes."
    assert type(error).__init__ is Exception.__init__  # as TensorFlow's autograph wants it


def test_errors_in_phrases_stay_phrases() -> None:
    inner = ModelError("The image {path} has {bands} bands{why}.", path=field("out_nodata"), bands=3, why="")
    for error in (inner, ValueError(inner.phrase)):
        phrase = Phrase("it is not read: {error}", error=error)
        assert phrase == "it is not read: The image OUT_NODATA has 3 bands."
        assert translated(phrase, French()) == "it is not read: L'image OUT_NODATA a 3 bandes."


def test_mentions_in_values_are_worded() -> None:
    error = ParameterError(", because {reason}", reason=Phrase("{key} is 3", key=field("il", of="sources", number=2)))
    assert str(error) == ", because SOURCE2_IL is 3"
    assert error.fields == ("sources[2].il",)
    words = worded(error.message, lambda path: f"<{as_key(path)}>")
    assert translated(words, French()) == ", car <SOURCE2_IL> is 3"


def test_an_error_without_values_is_a_literal() -> None:
    assert OtbtfError("Braces {stay}.").message == "Braces {stay}."
    assert OtbtfError().message == ""


@pytest.mark.parametrize(
    ("count", "english", "french"),
    [
        (0, "0 patches were", "0 imagette a été"),
        (1, "1 patch was", "1 imagette a été"),
        (2, "2 patches were", "2 imagettes ont été"),
        ("no", "no patches were", "no imagettes ont été"),
    ],
)
def test_words_agree_with_their_number(count: object, english: str, french: str) -> None:
    phrase = Phrase("{count} {count:patch was|patches were} written.", count=count)
    assert phrase == f"{english} written."
    assert decoded(json.loads(json.dumps(encoded(phrase)))) == phrase
    language = Language("fr", gettext.NullTranslations())
    assert translated(Phrase("{count} {count:imagette a|imagettes ont} été", count=count), language) == french
