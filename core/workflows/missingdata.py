"""What a workflow makes of missing values: which network fills them how, and the rule that follows for all of its steps.

Any workflow uses it whose operation has the keys of `MappedRule`, `MappedFilling` and NODATA.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..base.progress import Progress
from ..errors import ParameterError, field
from ..models.servingdefaults import ServingDefaults
from ..parameters.fillings import AUTO, MEAN, NONE, TEMPORAL, VALUE, FilledSources
from ..parameters.nodatarules import ALL, ANY, NodataRule, PatchRule, share_of_bands
from ..parameters.templatenames import TEMPLATE_PREFIX, TEMPLATES
from ..phrases import Phrase
from ..rasters.dates import dated_names, times_by_source
from ..rasters.rasterstack import Stack
from ..rasters.seriesbands import days_of_bands
from ..serving.defaultsapplied import serving_defaults_of
from ..templates.filling import is_series
from ..templates.serieslayout import check_named_dates, layouts_of
from ..templates.sourceoptions import check_dates_used, check_series

if TYPE_CHECKING:
    from .trainedmaps import MapParameters

_TOLD = {
    MEAN: Phrase("by the mean of each band in the training data"),
    TEMPORAL: Phrase("by linear interpolation along the dates"),
}
_FILLING_KEYS = ("nodata_fill", "nodata_fill_value", "nodata_fill_mask", "dates", "dates_order", "step")


@dataclass(frozen=True)
class MissingData:
    """The decision.

    Attributes:
        fill: how the network fills missing values, as NODATA_FILL; `auto` where the model that is trained further decides.
        rule: NODATA_RULE of all steps.
        pixels: NODATA_PIXELS as it is given; None for what is usual in each step, and where the operation has no such key.
        dated: whether the network takes account of dates.
    """

    fill: str
    rule: str
    pixels: float | None
    dated: bool = False

    @property
    def for_training(self) -> NodataRule:
        """The rule for patches that are learned from."""
        return NodataRule(share_of_bands(self.rule, 1.0), self.pixels or 0.0, True)

    def extraction_values(self) -> dict[str, Any]:
        """Return the keys of PatchesExtraction."""
        return {"nodata_rule": self.rule, "nodata_pixels": self.pixels or 0.0}

    def training_values(self, parameters: FilledSources) -> dict[str, Any]:
        """Return the keys of TensorflowModelTrain; none for a model that is trained further."""
        if self.fill == AUTO:
            return {}
        dates = {"dates": parameters.dates, "dates.order": parameters.dates_order, "step": parameters.step}
        return {
            "nodata_fill": self.fill,
            "nodata_fill.value": parameters.nodata_fill_value,
            "nodata_fill.mask": parameters.nodata_fill_mask,
            **(dates if self.dated else {}),
        }

    def stored_in(self, defaults: ServingDefaults, nodata: float | None) -> ServingDefaults:
        """Return serving defaults with the rule, so that later runs of Serve follow it, and with the no-data value."""
        sources = {name: replace(source, nodata=nodata) for name, source in defaults.sources.items()}
        return replace(defaults, nodata_rule=self.rule, nodata_pixels=self.pixels, sources=sources)


def filling_words() -> dict[str, str]:
    """Return the keys of `training_values` and `extraction_values` with the fields that stand for them in messages."""
    keys = (*_FILLING_KEYS, "nodata_rule", "nodata_pixels")
    return {
        key.replace("_value", ".value").replace("_mask", ".mask").replace("s_order", "s.order"): field(key)
        for key in keys
    }


def decide_missing_data(
    parameters: MapParameters, model: str, images: Sequence[Stack], progress: Progress
) -> MissingData:
    """Decide how missing values are filled, and which pixels are no-data.

    Args:
        parameters: of the operation.
        model: that is trained, as MODEL_DIR of TensorflowModelTrain: `template:` and the name of one, or a path.
        images: that are mapped, with the same bands.
        progress: told what was decided.

    Raises:
        ParameterError: the network does not do without filling; or the dates do not fit the image.
    """
    rule = parameters.nodata_rule.strip()
    pixels = parameters.nodata_pixels if isinstance(parameters, PatchRule) else None
    if not model.startswith(TEMPLATE_PREFIX):
        defaults = serving_defaults_of(model)
        fills = defaults is not None and any(source.filled is not None for source in defaults.sources.values())
        return MissingData(AUTO, rule or (ALL if fills else ANY), pixels)
    image = images[0]
    names, times = dated_names(image), times_by_source(parameters.dates)
    (layout,) = layouts_of((image.bands,), times, parameters.dates_order)
    check_named_dates(names, layout, 1)
    template, fill = model.removeprefix(TEMPLATE_PREFIX), parameters.nodata_fill
    if fill == NONE and TEMPLATES[template].series:
        raise ParameterError(
            "{nodata_fill} is {none}, but the network {template} needs time series without gaps: choose {temporal}, "
            "which changes nothing in series without missing values, {mean} or {value}.",
            nodata_fill=field("nodata_fill"),
            none=NONE,
            template=template,
            temporal=TEMPORAL,
            mean=MEAN,
            value=VALUE,
        )
    if fill != AUTO:
        check_dates_used(TEMPLATES[template], parameters)
    partly = any(each.missing(parameters.nodata, rule=NodataRule(nan=True)).partly for each in images)
    if fill == AUTO and TEMPLATES[template].series:
        fill = TEMPORAL
    elif fill == AUTO:
        series = _dated(parameters, template, image)
        needed = partly or (series and parameters.step is not None)
        fill = NONE if not needed else TEMPORAL if series else MEAN
    if partly and fill in _TOLD:
        progress.info(
            Phrase(
                "Missing values are filled {value}, in the network ({nodata_fill}).",
                value=_TOLD[fill],
                nodata_fill=field("nodata_fill"),
            )
        )
    dated = is_series(TEMPLATES[template], fill)
    if dated:
        check_series((names,), times, parameters.dates_order)
    if not dated and (parameters.dates.strip() or parameters.step is not None):
        progress.warning(
            Phrase(
                "{given} is given, but the network takes no account of dates: {nodata_fill} is {auto}, which stands for {fill} "
                "here. Set it to {temporal} if the dates are to count.",
                given=field("dates" if parameters.dates.strip() else "step"),
                nodata_fill=field("nodata_fill"),
                auto=AUTO,
                fill=fill,
                temporal=TEMPORAL,
            )
        )
    return MissingData(fill, rule or (ANY if fill == NONE else ALL), pixels, dated)


def _dated(filling: FilledSources, template: str, image: Stack) -> bool:
    """Return whether an image is a time series of several dates, of which a template can take account."""
    if "order" not in TEMPLATES[template].takes:
        return False
    if filling.dates.strip():
        return len(set(times_by_source(filling.dates)[0])) > 1
    days = days_of_bands(dated_names(image))
    return days is not None and len(set(days)) > 1
