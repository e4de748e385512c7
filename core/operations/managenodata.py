"""ManageNoData: a mask of no-data pixels, another no-data value, or a mask applied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.imagegroups import ToolOutput
from ..parameters.operation import Group, Operation


@dataclass(frozen=True)
class _NoData(Group):
    image: Any = voc.raster("in", "Image", "The image whose no-data pixels are meant.")
    alpha: str = shared.alpha()
    usenan: bool = voc.boolean("usenan", "NaN is no-data", "On: NaN is no-data, too.")
    mode: str = voc.choice(
        "mode",
        "Mode",
        "buildmask: a mask of the pixels with data in all bands; changevalue: no-data pixels get a new value, which is "
        "declared; apply: pixels that a mask leaves out become no-data.",
        ("buildmask", "changevalue", "apply"),
    )
    mode_buildmask_inv: float = voc.number(
        "mode.buildmask.inv", "Mask: inside value", "Value of pixels with data.", default=1.0
    )
    mode_buildmask_outv: float = voc.number(
        "mode.buildmask.outv", "Mask: outside value", "Value of pixels without.", default=0.0
    )
    mode_changevalue_newv: float = voc.number(
        "mode.changevalue.newv", "New no-data value", "Value of no-data pixels in the output.", default=0.0
    )
    mode_apply_mask: Any = voc.raster(
        "mode.apply.mask", "Mask", "Raster of one band on the image's grid; 0 leaves a pixel out.", required=False
    )
    mode_apply_ndval: float = voc.number(
        "mode.apply.ndval", "Mask: no-data value", "Value of pixels that the mask leaves out.", default=0.0
    )


@dataclass(frozen=True)
class ManageNoData(Operation, ToolOutput, _NoData):
    """See OTB's application of the same name."""

    TITLE = "Manage no-data pixels (ManageNoData)"
    GROUP = "images"
    DESCRIPTION = (
        "Makes a mask of no-data pixels, gives them a new value, or applies a mask, with the keys of OTB's "
        "ManageNoData, for command lines that hold it."
    )
    RUN = "imagetools.nodatavalues:manage_nodata"
    HIDDEN = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode == "apply" and self.mode_apply_mask is None:
            raise ParameterError("MODE is apply: give the mask in MODE_APPLY_MASK.")
