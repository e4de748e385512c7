"""The options of a template, checked."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError, field
from ..operations.createmodel import DAYS_OF_A_YEAR, FACTORS, WEIGHTS, missing_bands
from ..parameters.detectionmaps import STRIDES
from ..parameters.fillings import AUTO, FILLINGS, MEAN, NONE, TEMPORAL, VALUE
from ..parameters.seriesorders import DATE_MAJOR
from ..parameters.templatedescription import CLASSIFICATION, DETECTION, FEATURES, Template
from ..parameters.templatenames import NAMES, TEMPLATES
from ..phrases import Phrase
from .normalization import Scaling

_BOUNDS = {"classes": (1, 65536), "width": (1, 4096), "depth": (1, 8)}

_FIELDS = {
    "times": "dates",
    "patch": "patchsize",
    "scalings": "normalization",
    "order": "dates_order",
    "fill": "nodata_fill",
    "fill_value": "nodata_fill_value",
    "mask": "nodata_fill_mask",
}
"""Options whose fields of CreateModel have other names."""


@dataclass(frozen=True)
class Options:
    """What a template is built from.

    Attributes:
        template: which.
        bands: of each source.
        scalings: of each source; None where its pixels are taken as they are.
        classes: number of classes, or of output bands; 0 where the template sets it.
        width, depth: see `core.parameters.templatedescription.Template`; 0 where it has none.
        factor: output pixels per pixel along each side, of super_resolution.
        stride: pixels per cell along each side, of detector.
        patch: rows and columns of the patches that a backbone, or the second source of time_series_vhr, takes; 0
            where they are free.
        times: of the bands or dates, in days, for each source that has them.
        order: of bands and dates in the sources of a time series: date-major or band-major.
        band_names: of each source, those of the bands of one date; empty where they are not known.
        step: days between two dates to which a time series is resampled; 0 where it keeps its own.
        period: of the first harmonic, in days.
        harmonics: number of waves, of harmonic.
        fill: how missing values are filled, a word of NODATA_FILL.
        fill_value: replaces them, for `value`.
        mask: whether the network gets a mask of them, too.
        means: of each source, the means of its channels, for `mean`; None where they are 0.
        nodata: what stands for a missing value beside NaN, for all sources or for each.
        expression, statistics: see `core.bandmath.expressionlayer.BandArithmetic`.
        weights: of a backbone: none, imagenet or file.
        weights_file: with the weights.
        layer: of a backbone, where it is cut; empty for the last.
        image_pooling: whether deeplabv3plus sees the mean of the whole image.
    """

    template: Template
    bands: tuple[int, ...]
    scalings: tuple[Scaling | None, ...] = ()
    classes: int = 0
    width: int = 0
    depth: int = 0
    factor: int = 2
    stride: int = 4
    patch: int = 0
    times: tuple[tuple[float, ...], ...] = ()
    order: str = DATE_MAJOR
    band_names: tuple[tuple[str, ...], ...] = ()
    step: float = 0.0
    period: float = DAYS_OF_A_YEAR
    harmonics: int = 2
    fill: str = AUTO
    fill_value: float = 0.0
    mask: bool = False
    means: tuple[tuple[float, ...] | None, ...] = ()
    nodata: float | tuple[float, ...] = math.nan
    expression: str = ""
    statistics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    weights: str = "none"
    weights_file: str = ""
    layer: str = ""
    image_pooling: bool = False

    def nodata_of(self, number: int) -> float:
        """Return what stands for a missing value in a source, from 1 on."""
        return self.nodata[number - 1] if isinstance(self.nodata, tuple) else float(self.nodata)

    @property
    def times_of_first_source(self) -> tuple[float, ...]:
        """The times of a template that has one series; empty where none are given.

        Raises:
            ParameterError: there are those of several sources.
        """
        if len(self.times) > 1:
            raise ParameterError(
                "{dates} holds the dates of {times_count} sources, but the template {template} has one series.",
                dates=field("dates"),
                times_count=len(self.times),
                template=self.template.name,
            )
        return self.times[0] if self.times else ()


def resolve(name: str, given: Mapping[str, Any]) -> Options:
    """Return the options of the template called `name`: what is given, else its defaults.

    Args:
        name: of the template.
        given: attributes of `Options`; None stands for not given.

    Raises:
        ParameterError: there is no such template or option, or a value that it cannot have.
    """
    template = TEMPLATES.get(name)
    if template is None:
        raise ParameterError(
            "{template} is {name!r}, but must be one of: {names}.",
            template=field("template"),
            name=name,
            names=", ".join(NAMES),
        )
    values = {key: value for key, value in given.items() if value is not None}
    _check_known(template, values)
    values["bands"] = tuple(values.get("bands", ()))
    _check_bands(template, values["bands"])
    values["scalings"] = tuple(values.get("scalings") or (None,) * len(values["bands"]))
    for option in ("width", "depth", "patch"):
        values.setdefault(option, getattr(template, option))
    values.setdefault("classes", template.outputs)
    if values["classes"] is None:
        what = (
            Phrase("the number of classes")
            if template.task in (CLASSIFICATION, DETECTION)
            else Phrase("the number of output bands")
        )
        raise ParameterError(
            "{classes} ({what}) is missing: the template {name} needs it.",
            classes=field("classes"),
            what=what,
            name=name,
        )
    _check_bounds(template, values)
    built: dict[str, Any] = {key: 0 if value is None else value for key, value in values.items()}
    return Options(template, **built)


def _check_known(template: Template, values: Mapping[str, Any]) -> None:
    known = [each.name for each in dataclasses.fields(Options)]
    for option in values:
        if option not in known:
            raise ParameterError(
                "There is no option {option!r} of templates. Known: {known}.", option=option, known=", ".join(known[1:])
            )
        if option not in template.takes:
            having = [other.name for other in TEMPLATES.values() if option in other.takes]
            raise ParameterError(
                "{get} is given, but the template {template} has no such option: leave it out. The templates with "
                "this option are: {having}.",
                get=field(_FIELDS.get(option, option)),
                template=template.name,
                having=", ".join(having),
            )


def _check_bands(template: Template, bands: tuple[int, ...]) -> None:
    if not bands:
        raise missing_bands(template.name)
    if template.inputs and len(bands) != len(template.inputs):
        sources = Phrase("; ").join(
            (
                Phrase("source {number}: {what}", number=number, what=what)
                for number, what in enumerate(template.inputs, 1)
            )
        )
        raise ParameterError(
            "There are bands for {bands_count} {bands_count:source|sources} ({bands}), but the template "
            "{template} has {inputs_count} "
            "({sources}): give one number of bands for each.",
            bands_count=len(bands),
            bands=" ".join(map(str, bands)),
            template=template.name,
            inputs_count=len(template.inputs),
            sources=sources,
        )
    if any(number < 1 for number in bands):
        raise ParameterError(
            "{bands} is {map_str}, but each must be at least 1.",
            bands=field("bands"),
            map_str=" ".join(map(str, bands)),
        )


def _check_bounds(template: Template, values: Mapping[str, Any]) -> None:
    for option, (least, most) in _BOUNDS.items():
        value = values[option]
        if option not in template.takes or value == 0:
            continue
        if option == "classes" and template.task in (CLASSIFICATION, FEATURES):
            least = 2
        if not least <= value <= most:
            raise ParameterError(
                "{option} is {value}, but must be from {least} to {most}.",
                option=field(option),
                value=value,
                least=least,
                most=most,
            )
    if values.get("factor", 2) not in FACTORS:
        raise ParameterError(
            "{factor} is {factor2}, but must be one of: {factors}.",
            factor=field("factor"),
            factor2=values["factor"],
            factors=", ".join(map(str, FACTORS)),
        )
    if values.get("stride", STRIDES[0]) not in STRIDES:
        raise ParameterError(
            "{stride} is {value}, but must be one of: {strides}.",
            stride=field("stride"),
            value=values["stride"],
            strides=", ".join(map(str, STRIDES)),
        )
    if values.get("fill", AUTO) not in FILLINGS:
        raise ParameterError(
            "{nodata_fill} is {value!r}, but must be one of: {listed}.",
            nodata_fill=field("nodata_fill"),
            value=values["fill"],
            listed=", ".join(FILLINGS),
        )
    if values.get("fill") == NONE and template.series:
        raise ParameterError(
            "{nodata_fill} is {none}, but the template {name} needs time series without gaps: choose {temporal}, "
            "{mean} or {value}; they change nothing in series without missing values.",
            nodata_fill=field("nodata_fill"),
            none=NONE,
            name=template.name,
            temporal=TEMPORAL,
            mean=MEAN,
            value=VALUE,
        )
    if values.get("fill") == TEMPORAL and "order" not in template.takes:
        raise ParameterError(
            "{nodata_fill} is {temporal}, but the template {name} does not take time series: choose {mean} or {value}.",
            nodata_fill=field("nodata_fill"),
            temporal=TEMPORAL,
            name=template.name,
            mean=MEAN,
            value=VALUE,
        )
    if "step" in values and not 0 < values["step"] < math.inf:
        raise ParameterError("{step} is {step2:g}, but must be above 0.", step=field("step"), step2=values["step"])
    if "expression" in template.takes and not values.get("expression"):
        raise ParameterError(
            "{expression} is missing: give a formula, such as im1b1 / im1b1Maxi.", expression=field("expression")
        )
    if values.get("weights") not in (None, *WEIGHTS):
        raise ParameterError(
            "{weights} is {weights2!r}, but must be one of: {weights3}.",
            weights=field("weights"),
            weights2=values["weights"],
            weights3=", ".join(WEIGHTS),
        )
    if (values.get("weights") == "file") != bool(values.get("weights_file")):
        raise ParameterError(
            "{weights}=file and {weights_file} belong together: give both, or neither.",
            weights=field("weights"),
            weights_file=field("weights_file"),
        )
