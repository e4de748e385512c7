"""Checks of a search that need no file, and the values of its trainings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import OtbtfError, ParameterError, field
from ..operations.searchsettings import SearchSettings
from ..parameters.kinds import Content
from ..parameters.parsing import keys
from ..parameters.templatenames import template_of
from ..parameters.traininggroups import OVER_ALL_EPOCHS
from ..registry import declaration
from ..workflows.modeltraining import INNER, training_values, training_words
from ..workflows.nestedruns import check_nested
from .space import Drawn, Listed, Setting, draw_trials, read_space, told

_MADE = ("model.saveto", "out.report", "resume", "calibrate")
"""Keys of a training that are not those of a trial; only the best one is calibrated."""


def check_search(parameters: SearchSettings) -> None:
    """Raise ParameterError where settings or a training cannot be right; the declaration names this check."""
    space = read_space(parameters.settings)
    _check_schedules(parameters, space)
    words = training_words(parameters)
    check_nested(INNER, {**trial_values(parameters), "calibrate": parameters.calibrate}, words)
    for drawn in _corners(space):
        try:
            check_nested(INNER, {**trial_values(parameters), **drawn}, words)
            if "model.dir" in drawn:
                template_of(drawn["model.dir"])
        except OtbtfError as error:
            raise ParameterError(
                "{settings}, {told}: {error}", settings=field("settings"), told=told(drawn), error=error.message
            ) from error


def trial_values(parameters: SearchSettings) -> dict[str, Any]:
    """Return what all trials have in common, by the keys of TensorflowModelTrain.

    Raises:
        ParameterError: the samples are no files.
    """
    found = {name: value for name, value in training_values(parameters).items() if name not in _MADE}
    for key in keys(declaration(INNER), found):
        value = found.get(key.name, ())
        if key.kind.content is Content.RASTER and not all(isinstance(item, str) for item in value):
            raise ParameterError(
                "{name} holds an image that is no file: save it, because each trial reads it.",
                name=training_words(parameters).get(key.name, key.mention),
            )
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def models_of_trials(parameters: SearchSettings) -> tuple[str, ...]:
    """Return the models that trials may train."""
    listed = [s.values for s in read_space(parameters.settings) if s.name == "model.dir" and isinstance(s, Listed)]
    return listed[0] if listed else (parameters.model_dir,)


def trials_folder(parameters: SearchSettings) -> Path:
    """Return the folder for the checkpoints of trials."""
    return Path(parameters.out + ".checkpoints").absolute()


def _check_schedules(parameters: SearchSettings, space: tuple[Setting, ...]) -> None:
    listed = [setting.values for setting in space if isinstance(setting, Listed) and setting.name == "schedule"]
    spanning = [name for name in (listed[0] if listed else [parameters.schedule]) if name in OVER_ALL_EPOCHS]
    if parameters.method == "halving" and spanning:
        raise ParameterError(
            "{method} is halving, but {schedule} is {spanning}, which spans all epochs, and trials that end early have "
            "fewer: choose constant or plateau, or set {method} to random.",
            method=field("method"),
            schedule=field("schedule"),
            spanning=spanning[0],
        )


def _corners(space: tuple[Setting, ...]) -> list[Drawn]:
    """Return settings in which each value of a list, and both ends of a range, occur once, all others as they are given."""
    ends = [(s.name, s.values if isinstance(s, Listed) else (s.low, s.high)) for s in space]
    return [{name: value} for name, values in ends for value in values]


def drawn_trials(parameters: SearchSettings) -> list[dict[str, Any]]:
    """Return the settings of each trial."""
    return draw_trials(read_space(parameters.settings), parameters.trials, parameters.seed)
