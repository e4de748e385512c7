"""Serving defaults: how to serve a model, as decided when it was created or trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from ..base.jsonvalues import Json
from ..errors import ParameterError
from ..parameters.seriesorders import ORDERS
from ..phrases import Phrase
from ..rasters.dates import days_of, shown_date
from ..rasters.seriesbands import SeriesLayout
from .inputscaling import InputScaling

_MODES = ("on", "off")
_PIXEL_SIZES = ("resample", "ignore")
_MANY = 2**31 - 1

_SAME_SIZE = 0.02
"""By how much pixel sizes may differ that count as the same, relative to them."""


@dataclass(frozen=True)
class SourceDefaults:
    """Serving defaults of one input.

    Attributes:
        rfield: width and height in pixels of the patches that it was trained on; None where regions are of any size.
        nodata: the no-data value of its images; None for that of the layers.
        filled: what stands for a missing value in the model, which fills such; None where it fills none.
        series: dates and bands of the time series that it takes; None where no dates are known.
    """

    rfield: tuple[int, int] | None = None
    nodata: float | None = None
    filled: float | None = None
    series: SeriesLayout | None = None


@dataclass(frozen=True)
class ServingDefaults:
    """Serving defaults of a model; empty values and None mean that serving decides.

    Attributes:
        output: the output that makes the map.
        fullyconv: `on` or `off`, as MODEL_FULLYCONV.
        spcscale: OUTPUT_SPCSCALE, where patches are computed.
        padding: as PADDING.
        background: as OUTPUT_BV, for `output`.
        nodata_rule, nodata_pixels: as NODATA_RULE and NODATA_PIXELS.
        sources: by name of the input.
        pixel_size: of the images, in metres; None for any.
        scaling: of images of bytes, before the model; None for none.
        context: as MODEL_CONTEXT.
        images_scaling, images_pixelsize: as IMAGES_SCALING and IMAGES_PIXELSIZE, for a classifier that was trained so.
    """

    output: str = ""
    fullyconv: str = ""
    spcscale: Fraction | None = None
    padding: str = ""
    background: float | None = None
    nodata_rule: str = ""
    nodata_pixels: float | None = None
    sources: Mapping[str, SourceDefaults] = field(default_factory=dict)
    pixel_size: float | None = None
    scaling: InputScaling | None = None
    context: int | None = None
    images_scaling: str = ""
    images_pixelsize: str = ""

    @property
    def rfields(self) -> dict[str, tuple[int, int] | None]:
        """Sizes of patches by name of the input."""
        return {name: source.rfield for name, source in self.sources.items()}

    def takes_pixels(self, metres: float) -> bool:
        """Return whether images with pixels of this width in metres are as those of the training, as far as is known."""
        return self.pixel_size is None or abs(self.pixel_size / metres - 1) <= _SAME_SIZE

    def exported(self, outputs: list[str], renamed: Mapping[str, str]) -> ServingDefaults:
        """Return this for a SavedModel.

        Args:
            outputs: what it returns.
            renamed: inputs that are called otherwise there: old name to new name.
        """
        kept = self if self.output in outputs else replace(self, output="", background=None)
        return replace(kept, sources={renamed.get(name, name): source for name, source in self.sources.items()})


def as_json(defaults: ServingDefaults) -> dict[str, Any]:
    """Return it as it stands in the item, under `otbtf:serving`."""
    described: dict[str, Any] = {
        "output": defaults.output,
        "fully_convolutional": defaults.fullyconv,
        "spacing_scale": "" if defaults.spcscale is None else str(defaults.spcscale),
        "context": defaults.context,
        "padding": defaults.padding,
        "background": "" if defaults.background is None else repr(float(defaults.background)),
        "nodata_rule": defaults.nodata_rule,
        "nodata_pixels": "" if defaults.nodata_pixels is None else repr(float(defaults.nodata_pixels)),
        "sources": [
            {
                "input": name,
                **({"receptive_field": list(source.rfield)} if source.rfield else {}),
                **({} if source.nodata is None else {"nodata": repr(float(source.nodata))}),
                **({} if source.filled is None else {"filled": repr(float(source.filled))}),
                **({} if source.series is None else {"series": _series_as_json(source.series)}),
            }
            for name, source in sorted(defaults.sources.items())
        ],
        "pixel_size": "" if defaults.pixel_size is None else repr(float(defaults.pixel_size)),
        "scaling": None if defaults.scaling is None else defaults.scaling.as_json(),
        "images_scaling": defaults.images_scaling,
        "images_pixelsize": defaults.images_pixelsize,
    }
    return {key: value for key, value in described.items() if value}


def _series_as_json(series: SeriesLayout) -> dict[str, Any]:
    return {
        "dates": [shown_date(time) for time in series.times],
        "bands": series.bands,
        "order": series.order,
        **({"band_names": list(series.names)} if series.names else {}),
    }


def from_json(described: Json | None) -> ServingDefaults | None:
    """Return what `as_json` wrote; None where nothing was.

    Raises:
        OddJson: it is of another form.
    """
    if described is None:
        return None
    scale, background = described.get("spacing_scale"), described.get("background")
    mode = _one_of(described, "fully_convolutional", _MODES)
    sources = described["sources"].items() if described.has("sources") else []
    return ServingDefaults(
        _text(described, "output"),
        mode,
        scale.ratio() if scale else None,
        _text(described, "padding"),
        None if background is None else _number(background),
        _text(described, "nodata_rule"),
        _number(described["nodata_pixels"]) if described.has("nodata_pixels") else None,
        {source["input"].text(): _source(source) for source in sources},
        _number(described["pixel_size"]) if described.has("pixel_size") else None,
        InputScaling.from_json(described["scaling"]) if described.has("scaling") else None,
        described["context"].whole(1, _MANY) if described.has("context") else None,
        _one_of(described, "images_scaling", _MODES),
        _one_of(described, "images_pixelsize", _PIXEL_SIZES),
    )


def _text(described: Json, name: str) -> str:
    return described[name].text() if described.has(name) else ""


def _one_of(described: Json, name: str, allowed: Sequence[str]) -> str:
    text = _text(described, name)
    if text and text not in allowed:
        raise described[name].odd(Phrase(" or ").join(allowed))
    return text


def _number(written: Json) -> float:
    """Return a number that `as_json` wrote as text."""
    try:
        return float(written.text(100))
    except ValueError:
        raise written.odd(Phrase("a number in a text")) from None


def _source(described: Json) -> SourceDefaults:
    size, nodata = described.get("receptive_field"), described.get("nodata")
    sides = [side.whole(1, _MANY) for side in size.items(2)] if size else []
    if size and len(sides) != 2:
        raise size.odd(Phrase("width and height"))
    filled, series = described.get("filled"), described.get("series")
    return SourceDefaults(
        (sides[0], sides[1]) if sides else None,
        None if nodata is None else _number(nodata),
        None if filled is None else _number(filled),
        None if series is None else _series(series),
    )


def _series(described: Json) -> SeriesLayout:
    order = described["order"].text()
    if order not in ORDERS:
        raise described["order"].odd(Phrase(" or ").join(ORDERS))
    try:
        times = days_of([date.text() for date in described["dates"].items()], "otbtf:serving")
    except ParameterError as error:
        raise described["dates"].odd(Phrase("a list of dates")) from error
    bands = described["bands"].whole(1, 1 << 24)
    names = tuple(name.text() for name in described["band_names"].items()) if described.has("band_names") else ()
    if names and len(names) != bands:
        raise described["band_names"].odd(Phrase("a name for each band"))
    return SeriesLayout(times, bands, order, names)
