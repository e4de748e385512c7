"""The roles of samples: their order, their numbers in arrays, and their words in keys and sentences."""

from __future__ import annotations

import numpy as np

from otbtf_qgis.core.operations.patchesselection import PatchesSelection
from otbtf_qgis.core.parameters.parsing import keys
from otbtf_qgis.core.parameters.sampleroles import SampleRole


def test_words_and_numbers() -> None:
    assert (
        [f"{role}" for role in SampleRole] == [str(role) for role in SampleRole] == ["training", "validation", "test"]
    )
    assert [role.name for role in SampleRole] == ["TRAINING", "VALIDATION", "TEST"]
    assert f"{SampleRole.TEST:>6}" == "  test"
    assert (np.array([-1, 0, 1, 2, 1], "int8") == SampleRole.VALIDATION).tolist() == [False, False, True, False, True]


def test_keys_of_patches_selection_hold_the_short_words() -> None:
    names = {key.name for key in keys(PatchesSelection)}
    for role in SampleRole:
        assert f"out{role.short}" in names
        assert f"strategy.split.{role.short}prop" in names
