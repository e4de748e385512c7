"""Settings to search: how they are read and drawn."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.search.halving import Rung, epochs_altogether, rungs_of
from otbtf_qgis.core.search.space import Listed, Ranged, draw_trials, read_space, told, with_absolute_paths

TEXT = "LEARNING_RATE=0.0001:0.01 training.batchsize=16;32 OPTIMIZER=adam"


def test_words_and_json_are_one() -> None:
    wanted = (
        Ranged("learning_rate", 0.0001, 0.01),
        Listed("training.batchsize", (16, 32)),
        Listed("optimizer", ("adam",)),
    )
    assert read_space(TEXT) == wanted
    as_json = '{"learning_rate": "0.0001:0.01", "TRAINING_BATCHSIZE": [16, 32], "optimizer": ["adam"]}'
    assert read_space(as_json) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("LERNING_RATE=0.1", "SETTINGS names LERNING_RATE, which is no setting.* Did you mean LEARNING_RATE?"),
        ("SEED=1;2", "SETTINGS names SEED, which is no setting.* MODEL_DIR, "),
        (
            "LEARNING_RATE=0.01:0.0001",
            "SETTINGS: LEARNING_RATE is 0.01:0.0001, but a range is from a number above 0 to",
        ),
        ("LEARNING_RATE=0.01:0.01", "a range is from"),
        ("LEARNING_RATE=0.01:inf", "a range is from"),
        ("LEARNING_RATE=0.01:", "is 0.01:, which is no range: write low:high"),
        ("LEARNING_RATE=1:2:3", "is no range"),
        ("LEARNING_RATE=0.01;", "LEARNING_RATE has an empty value"),
        ("LEARNING_RATE=fast", "LEARNING_RATE is 'fast', but must be a number"),
        ("TRAINING_BATCHSIZE=1.5:3", "TRAINING_BATCHSIZE is '1.5', but must be a whole number"),
        ("TRAINING_BATCHSIZE=0;3", "TRAINING_BATCHSIZE is 0, but must be at least 1"),
        ("OPTIMIZER=adam;adem", "OPTIMIZER is 'adem', but must be one of: adam"),
        ("OPTIMIZER=adam optimizer=sgd", "SETTINGS gives OPTIMIZER twice"),
        ("OPTIMIZER", "SETTINGS: 'OPTIMIZER' is no NAME=value"),
        ("{", "SETTINGS is no JSON object of names and values"),
        ("", "SETTINGS names no setting"),
    ],
)
def test_what_cannot_be_right(text: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        read_space(text)


def test_ranges_are_logarithmic() -> None:
    (rate,) = read_space("LEARNING_RATE=0.0001:0.01")
    assert (rate.at(0.0), rate.at(0.5), rate.at(1 - 1e-12)) == (0.0001, 0.001, 0.01)
    assert rate.at(0.3) == float(f"{0.0001 * 100**0.3:.3g}")
    (size,) = read_space("TRAINING_BATCHSIZE=2:5")
    found = [size.at(n / 10_000) for n in range(10_000)]
    for value in (2, 3, 4, 5):
        share = math.log((value + 1) / value) / math.log(6 / 2)
        assert found.count(value) / 10_000 == pytest.approx(share, abs=1e-3)


def test_draws_are_seeded_and_all_different() -> None:
    space = read_space(TEXT)
    few, many, others = draw_trials(space, 5, 1), draw_trials(space, 12, 1), draw_trials(space, 5, 2)
    assert few == many[:5] != others
    assert len({str(drawn) for drawn in many}) == 12
    assert all(0.0001 <= drawn["learning_rate"] <= 0.01 and drawn["training.batchsize"] in (16, 32) for drawn in many)
    assert told({"learning_rate": 0.001, "training.batchsize": 16}) == "LEARNING_RATE=0.001 TRAINING_BATCHSIZE=16"


def test_all_combinations_are_tried_once_where_there_are_few() -> None:
    space = read_space("OPTIMIZER=adam;sgd DEPTH=1:3")
    found = draw_trials(space, 50, 3)
    pairs = {(drawn["optimizer"], drawn["depth"]) for drawn in found}
    assert len(found) == 6 and pairs == {(name, depth) for name in ("adam", "sgd") for depth in (1, 2, 3)}


@pytest.mark.parametrize(
    ("method", "trials", "epochs", "rungs"),
    [
        ("random", 9, 27, [(9, 27)]),
        ("halving", 9, 27, [(9, 3), (3, 9), (1, 27)]),
        ("halving", 10, 20, [(10, 2), (3, 6), (1, 20)]),
        ("halving", 30, 5, [(30, 1), (10, 5)]),
        ("halving", 2, 20, [(2, 20)]),
        ("halving", 20, 2, [(20, 2)]),
    ],
)
def test_rungs(method: str, trials: int, epochs: int, rungs: list[tuple[int, int]]) -> None:
    assert rungs_of(method, trials, epochs) == [Rung(*rung) for rung in rungs]


def test_a_trial_goes_on_where_it_has_ended() -> None:
    assert epochs_altogether(rungs_of("halving", 9, 27)) == 9 * 3 + 3 * 6 + 1 * 18
    assert epochs_altogether(rungs_of("random", 9, 27)) == 9 * 27


def test_paths_of_models_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.keras").touch()
    text = "MODEL_DIR=net.keras;cnn16 LEARNING_RATE=0.1:1"
    wanted = (Listed("model.dir", (str(tmp_path / "net.keras"), "cnn16")), Ranged("learning_rate", 0.1, 1.0))
    assert read_space(with_absolute_paths(text)) == wanted
    assert with_absolute_paths("LEARNING_RATE=0.1:1") == "LEARNING_RATE=0.1:1"
