"""The settings that are searched: read from a text, and drawn for each trial."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Union

import numpy as np

from ..errors import ParameterError, field
from ..operations.searchsettings import RANGES, SEARCHED
from ..parameters.kinds import Key
from ..parameters.parsing import keys
from ..parameters.tablecells import SEPARATOR, plain_name
from ..phrases import Phrase
from ..registry import declaration
from ..tables.givenonce import named_values
from ..workflows.modeltraining import INNER

_MODEL = "model.dir"
_BETWEEN = ":"
_DIGITS = 3  # of numbers that are drawn, so that people can give them themselves
_DRAWS = 1000  # for each trial, until combinations count as exhausted


@dataclass(frozen=True)
class Listed:
    """A setting of which each value is as likely as another.

    Attributes:
        name: its key in a training.
        values: as the key reads them.
    """

    name: str
    values: tuple[Any, ...]

    @property
    def count(self) -> float:
        """Number of values."""
        return len(self.values)

    def at(self, share: float) -> Any:
        """Return the value at a share of the list, from 0 to below 1."""
        return self.values[int(share * len(self.values))]


@dataclass(frozen=True)
class Ranged:
    """A setting between two numbers, both included, drawn on a logarithmic scale.

    Attributes:
        name: its key in a training.
        low, high: whole numbers where the key takes no others.
    """

    name: str
    low: float
    high: float

    @property
    def count(self) -> float:
        """Number of values."""
        return self.high - self.low + 1 if isinstance(self.low, int) else math.inf

    def at(self, share: float) -> Any:
        """Return the value at a share of the scale, from 0 to below 1."""
        if isinstance(self.low, int):
            return min(int(self.low * ((self.high + 1) / self.low) ** share), int(self.high))
        value = self.low * (self.high / self.low) ** share
        return min(max(float(f"{value:.{_DIGITS}g}"), self.low), self.high)


Setting = Union[Listed, Ranged]
Drawn = dict[str, Any]
"""Keys of a training to values."""


def read_space(text: str) -> tuple[Setting, ...]:
    """Return the settings that SETTINGS names.

    Raises:
        ParameterError: it cannot be read, or names a setting that cannot be searched, twice, or with values that it cannot
            have; or it names none.
    """
    found: dict[str, Setting] = {}
    for name, value in named_values(text, field("settings")):
        key = _searched_key(name)
        if key.name in found:
            raise ParameterError(
                "{settings} gives {name} twice: keep one.", settings=field("settings"), name=key.parameter
            )
        try:
            found[key.name] = _setting(key, value)
        except ParameterError as error:
            raise ParameterError("{settings}: {error}", settings=field("settings"), error=error.message) from error
    if not found:
        raise ParameterError(
            "{settings} names no setting: give one as NAME=value;value, or NAME=low:high.", settings=field("settings")
        )
    return tuple(found.values())


def with_absolute_paths(text: str) -> str:
    """Return SETTINGS with the paths of models absolute, as seen from the current folder, for a process in another one."""
    pairs = named_values(text, field("settings"))
    if not any(plain_name(name) == plain_name(_MODEL) for name, _ in pairs) or len(dict(pairs)) < len(pairs):
        return text
    (key,) = (key for key in searchable() if key.name == _MODEL)

    def absolute(value: Any) -> list[Any]:
        return [key.kind.absolute(item) for item in (value if isinstance(value, list) else _parts(value))]

    return json.dumps(
        {name: absolute(value) if plain_name(name) == plain_name(_MODEL) else value for name, value in pairs}
    )


def draw_trials(space: Sequence[Setting], count: int, seed: int) -> list[Drawn]:
    """Return settings of trials, no two of them equal.

    The first ones are the same for any larger number of trials.

    Args:
        space: the settings.
        count: number of trials; fewer are returned where there are fewer combinations.
        seed: of the draw.
    """
    most = math.prod(setting.count for setting in space)
    generator, found = np.random.default_rng(seed), dict[str, Drawn]()
    for _ in range(_DRAWS * count):
        if len(found) >= min(count, most):
            break
        drawn = {setting.name: setting.at(share) for setting, share in zip(space, generator.random(len(space)))}
        found.setdefault(json.dumps(drawn, sort_keys=True), drawn)
    return list(found.values())


def told(drawn: Drawn) -> str:
    """Return settings as SETTINGS takes them: `LEARNING_RATE=0.001 OPTIMIZER=adam`."""
    known = {key.name: key for key in searchable()}
    return " ".join(f"{known[name].parameter}={value}" for name, value in drawn.items())


def searchable() -> list[Key]:
    """Return the keys that can be searched."""
    return [key for key in keys(declaration(INNER)) if key.name in SEARCHED]


def _searched_key(name: str) -> Key:
    known = {plain_name(key.name): key for key in searchable()}
    key = known.get(plain_name(name))
    if key is not None:
        return key
    near = difflib.get_close_matches(plain_name(name), known, n=1, cutoff=0.6)
    hint = (
        Phrase("Did you mean {near}?", near=known[near[0]].parameter)
        if near
        else Phrase("Those that can are: {names}.", names=", ".join(key.parameter for key in known.values()))
    )
    raise ParameterError(
        "{settings} names {name}, which is no setting that can be searched. {hint}",
        settings=field("settings"),
        name=name,
        hint=hint,
    )


def _setting(key: Key, value: Any) -> Setting:
    if isinstance(value, str) and key.name in RANGES and _BETWEEN in value:
        return _ranged(key, value)
    several = value if isinstance(value, list) else _parts(value)
    values = tuple(dict.fromkeys(key.read(item) for item in several))
    if not values or None in values:
        raise ParameterError("{name} has an empty value: give one or several.", name=key.parameter)
    return Listed(key.name, values)


def _parts(value: Any) -> list[Any]:
    return [part.strip() for part in value.split(SEPARATOR)] if isinstance(value, str) else [value]


def _ranged(key: Key, text: str) -> Ranged:
    ends = text.split(_BETWEEN)
    if len(ends) != 2 or not all(map(str.strip, ends)):
        raise ParameterError("{name} is {text}, which is no range: write low:high.", name=key.parameter, text=text)
    low, high = (key.read(end.strip()) for end in ends)
    if not 0 < low < high < math.inf:
        raise ParameterError(
            "{name} is {text}, but a range is from a number above 0 to a larger one.", name=key.parameter, text=text
        )
    return Ranged(key.name, low, high)
