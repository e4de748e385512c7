"""NODATA_RULE and NODATA_PIXELS: the same words everywhere."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.parameters.nodatarules import WITH_GAPS, WITHOUT_BANDS, NodataRule, PatchRule, rule_of
from otbtf_qgis.core.parameters.parsing import keys
from otbtf_qgis.core.registry import declaration, names

PATCHES = ("PatchesExtraction", "PatchesSelection", "TensorflowModelServe", "LandCoverMap")
DEEP = ("TrainClassifierFromDeepFeatures", "ImageClassifierFromDeepFeatures")
PIXELS = ("ImageClassifier", "SampleSelection", "PolygonClassStatistics", "DensePolygonClassStatistics")


@pytest.mark.parametrize(
    ("bands", "count", "allowed"), [(0.0, 4, 0), (1.0, 4, 3), (0.5, 4, 2), (0.49, 4, 1), (0.3, 10, 3), (1.0, 1, 0)]
)
def test_shares_are_whole_bands_and_never_all(bands: float, count: int, allowed: int) -> None:
    rule = NodataRule(bands, bands)
    assert rule.bands_allowed(count) == allowed == rule.pixels_allowed(count)
    assert rule.pixels_allowed(np.array([[count]])).tolist() == [[allowed]]


@pytest.mark.parametrize(("text", "share"), [("any", 0.0), ("ALL ", 1.0), ("0.25", 0.25), ("0", 0.0), ("1", 1.0)])
def test_words_and_numbers(text: str, share: float) -> None:
    assert rule_of(PatchRule(text, 0.5), WITH_GAPS) == NodataRule(share, 0.5, True)


def test_what_is_not_given_is_the_operations_own() -> None:
    assert rule_of(PatchRule(), WITH_GAPS) == WITH_GAPS
    assert rule_of(PatchRule(), WITHOUT_BANDS) == WITHOUT_BANDS


@pytest.mark.parametrize("text", ["some", "-0.1", "1.5", "nan", "any all"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(ParameterError, match=f"NODATA_RULE is {text}, but must be any, all or a number from 0 to 1"):
        PatchRule(text)


def test_nan_is_no_share_of_pixels() -> None:
    with pytest.raises(ParameterError, match="NODATA_PIXELS is nan"):
        PatchRule("all", float("nan"))


def test_all_operations_have_the_same_keys() -> None:
    having: dict[str, set[str]] = {"nodata_rule": set(), "nodata_pixels": set()}
    for name in names():
        for key, found in having.items():
            if any(each.name == key for each in keys(declaration(name))):
                found.add(name)
    assert having["nodata_pixels"] == {*PATCHES, *DEEP}
    assert having["nodata_rule"] == {*PATCHES, *DEEP, *PIXELS, "RegressionMap"}
    assert all(issubclass(declaration(name), PatchRule) for name in PATCHES)
    assert [each.name for each in dataclasses.fields(PatchRule)] == ["nodata_rule", "nodata_pixels"]
