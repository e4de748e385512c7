"""ManageNoData: build a mask of no-data pixels, change the no-data value, or apply a mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError, field
from ..parameters import sections
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.imagegroups import ToolOutput
from ..parameters.operation import Group, Operation


@dataclass(frozen=True)
class _NoData(Group):
    image: Any = voc.raster("in", "Image", "Image with no-data pixels.")
    alpha: str = shared.alpha()
    usenan: bool = voc.boolean("usenan", "NaN is no-data", "On: NaN is no-data too.", section=sections.SETTINGS)
    mode: str = voc.choice(
        "mode",
        "Mode",
        "buildmask: write a mask of the pixels with data in all bands. changevalue: give no-data pixels a new value, "
        "and declare it. apply: make the pixels that a mask excludes no-data.",
        ("buildmask", "changevalue", "apply"),
        section=sections.SETTINGS,
    )
    mode_buildmask_inv: float = voc.number(
        "mode.buildmask.inv", "Mask: inside value", "Value of pixels with data.", default=1.0, section=sections.SETTINGS
    )
    mode_buildmask_outv: float = voc.number(
        "mode.buildmask.outv",
        "Mask: outside value",
        "Value of pixels without data.",
        default=0.0,
        section=sections.SETTINGS,
    )
    mode_changevalue_newv: float = voc.number(
        "mode.changevalue.newv",
        "New no-data value",
        "Value of no-data pixels in the output.",
        default=0.0,
        section=sections.SETTINGS,
    )
    mode_apply_mask: Any = voc.raster(
        "mode.apply.mask",
        "Mask",
        "Raster of one band on the image's grid; 0 excludes a pixel.",
        required=False,
        section=sections.SETTINGS,
    )
    mode_apply_ndval: float = voc.number(
        "mode.apply.ndval",
        "Mask: no-data value",
        "Value of pixels that the mask excludes.",
        default=0.0,
        section=sections.SETTINGS,
    )


@dataclass(frozen=True)
class ManageNoData(Operation, ToolOutput, _NoData):
    """See OTB's application of the same name."""

    TITLE = "Manage no-data pixels (ManageNoData)"
    GROUP = "images"
    DESCRIPTION = (
        "Builds a mask of no-data pixels, gives them a new value, or applies a mask, for command lines with OTB's "
        "ManageNoData, whose keys it has."
    )
    RUN = "imagetools.nodatavalues:manage_nodata"
    HIDDEN = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode == "apply" and self.mode_apply_mask is None:
            raise ParameterError(
                "{mode} is apply, but {mode_apply_mask} is missing: choose the mask.",
                mode=field("mode"),
                mode_apply_mask=field("mode_apply_mask"),
            )
