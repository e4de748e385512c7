"""Which pixels are no-data where only some of their bands are missing, and which patches where some of their pixels are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError, field
from . import sections
from . import vocabulary as voc
from .operation import Group

ANY, ALL = "any", "all"
"""The words of NODATA_RULE, for the shares 0 and 1."""

_ROUNDING = 1e-9
"""So that 0.3 of ten bands are three of them."""


@dataclass(frozen=True)
class NodataRule:
    """The shares that are still accepted. A pixel without any band is always no-data, and a patch without any pixel, too.

    Attributes:
        bands: largest share of missing bands at a pixel with data.
        pixels: largest share of no-data pixels in a patch with data.
        nan: whether NaN counts as a missing value everywhere.
    """

    bands: float = 1.0
    pixels: float = 1.0
    nan: bool = False

    def bands_allowed(self, count: int) -> int:
        """Return how many of so many bands may be missing at a pixel with data."""
        return min(math.floor(self.bands * count + _ROUNDING), count - 1)

    def pixels_allowed(self, count: Any) -> Any:
        """Return how many of so many pixels may be no-data in a patch with data; `count` may be a NumPy array."""
        if isinstance(count, int):
            return min(math.floor(self.pixels * count + _ROUNDING), count - 1)
        return (self.pixels * count + _ROUNDING).astype("int64").clip(max=count - 1)


WITHOUT_BANDS = NodataRule()
"""The rule of OTBTF, and of OTB: a pixel is no-data where all its bands are missing."""

WITH_GAPS = NodataRule(0.0, 0.0)
"""The rule of OTBTF's PatchesExtraction: nothing may be missing."""


def nodata_rule(otherwise: str, **more: Any) -> Any:
    """The key NODATA_RULE; `otherwise` says what happens without it."""
    return voc.text(
        "nodata_rule",
        "No-data rule",
        "Which pixels are no-data if some of their bands are missing. any: those with a missing band. all: those whose "
        "bands are all missing. A number from 0 to 1: those of whose bands a larger share is missing. If it is given, NaN "
        f"counts as missing, too. Default: {otherwise}.",
        advanced=True,
        section=sections.NODATA,
        **more,
    )


def nodata_pixels(what: str, otherwise: str) -> Any:
    """The key NODATA_PIXELS; `what` says what it is a share of and what becomes of the rest."""
    return voc.number(
        "nodata_pixels",
        "No-data pixels",
        f"{what}, from 0 to 1. Default: {otherwise}.",
        minimum=0,
        maximum=1,
        advanced=True,
        section=sections.NODATA,
    )


@dataclass(frozen=True)
class PixelRule(Group):
    """Which pixels are no-data."""

    nodata_rule: str = nodata_rule("all")

    def __post_init__(self) -> None:
        super().__post_init__()
        share_of_bands(self.nodata_rule, 1.0)


@dataclass(frozen=True)
class PatchRule(PixelRule):
    """Which pixels are no-data, and which patches of them are rejected."""

    nodata_pixels: float | None = nodata_pixels("Largest share of no-data pixels in a patch that is used", "0")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nodata_pixels is not None and math.isnan(self.nodata_pixels):
            raise ParameterError(
                "{nodata_pixels} is nan, but must be a number from 0 to 1.", nodata_pixels=field("nodata_pixels")
            )


@dataclass(frozen=True)
class MappedRule(PixelRule):
    """As `PixelRule`, for a network that is trained for a map of the same image."""

    nodata_rule: str = nodata_rule("all, or any if nothing fills missing values")


def rule_of(parameters: PixelRule, otherwise: NodataRule) -> NodataRule:
    """Return the rule that the keys of an operation state, completed by the operation's own."""
    given = parameters.nodata_rule.strip()
    pixels = parameters.nodata_pixels if isinstance(parameters, PatchRule) else None
    return NodataRule(
        share_of_bands(given, otherwise.bands),
        otherwise.pixels if pixels is None else pixels,
        otherwise.nan or bool(given),
    )


def share_of_bands(text: str, otherwise: float) -> float:
    """Return the share that NODATA_RULE states; `otherwise` for an empty text.

    Raises:
        ParameterError: it is neither a word of it, nor a share.
    """
    word = text.strip().lower()
    if not word:
        return otherwise
    if word in (ANY, ALL):
        return float(word == ALL)
    try:
        share = float(word)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise ParameterError(
            "{nodata_rule} is {text}, but must be {any}, {all} or a number from 0 to 1.",
            nodata_rule=field("nodata_rule"),
            text=text,
            any=ANY,
            all=ALL,
        )
    return share
