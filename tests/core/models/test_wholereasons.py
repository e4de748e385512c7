"""Reasons in a sidecar: phrases again, unless the text beside them says something else."""

from __future__ import annotations

import json

import pytest

from otbtf_qgis.core.base.jsonvalues import Json, OddJson
from otbtf_qgis.core.models import wholereasons
from otbtf_qgis.core.models.wholereasons import reason_as_json, reason_from_json
from otbtf_qgis.core.phrases import Phrase


def again(reason: str, /, **changed: object) -> str:
    return reason_from_json(Json({**json.loads(json.dumps(reason_as_json(reason))), **changed}, "surroundings"))


@pytest.mark.parametrize(
    ("reason", "english"),
    [
        (wholereasons.too_large(512), "a square of 512 pixels is too large for the memory"),
        (wholereasons.beyond(64), "every output depends on more than 64 pixels around it"),
        (wholereasons.no_stride(32), "no shift up to 32 pixels gives the same values, shifted"),
        (wholereasons.differing(0.0123), "values differ by 0.012 when the surrounding pixels change"),
        (wholereasons.wide_edge(7), "outputs up to 7 pixels from an edge depend on pixels outside"),
    ],
)
def test_a_reason_is_a_phrase_again(reason: Phrase, english: str) -> None:
    assert reason_as_json(reason)["reason"] == english
    found = again(reason)
    assert isinstance(found, Phrase) and (found, found.template, found.values) == (
        english,
        reason.template,
        reason.values,
    )


def test_texts_of_others_stay() -> None:
    assert again("it is so") == "it is so" and again("") == ""
    assert again(wholereasons.beyond(64), reason="changed by hand") == "changed by hand"
    assert again(wholereasons.beyond(64), reason_kind="of a later version") == wholereasons.beyond(64)
    with pytest.raises(OddJson):
        again(wholereasons.beyond(64), reason_number="sixty-four")
