"""PatchesSelection: a regular grid of patches, shared out between training, validation and test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.operation import NumberResult, Operation
from ..parameters.sampleroles import SampleRole

STRATEGIES = ("chessboard", "split", "all", "balanced")


@dataclass(frozen=True)
class PatchesSelection(Operation):
    """See OTBTF's application of the same name."""

    TITLE = "Select patches on a grid"
    GROUP = "sampling"
    DESCRIPTION = (
        "Lays a regular grid of patches over an image, leaves out those with no-data or masked pixels, and shares "
        "the others out between training, validation and test. PatchesExtraction cuts them at the points written.\n\n"
        "Patches of different groups that overlap make a validation look better than it is: their number is "
        "reported, and GAP keeps the groups apart."
    )
    RESULTS = (
        NumberResult("train", "Number of training patches"),
        NumberResult("valid", "Number of validation patches"),
        NumberResult("test", "Number of test patches"),
        NumberResult("overlap_train", "Training patches that overlap a validation patch"),
        NumberResult("overlap_valid", "Validation patches that overlap a training patch"),
    )
    RUN = "patches.gridselection:select_patches"

    image: Any = voc.raster("in", "Image", "The image on whose grid the patches lie.")
    mask: Any = shared.mask("no patch lies where it is 0.")
    nodata: float | None = shared.nodata(
        "A pixel is no-data where all bands have this value (nan is possible); no patch may hold one."
    )
    grid_step: int = voc.integer(
        "grid.step", "Step", "Distance in pixels from one patch to the next.", minimum=1, required=True
    )
    grid_psize: int = voc.integer(
        "grid.psize", "Patch size", "Width and height of a patch in pixels.", minimum=1, required=True
    )
    grid_offsetx: int = voc.integer(
        "grid.offsetx", "Offset, x", "First column of the first patch.", default=0, minimum=0, advanced=True
    )
    grid_offsety: int = voc.integer(
        "grid.offsety", "Offset, y", "First row of the first patch.", default=0, minimum=0, advanced=True
    )
    strategy: str = voc.choice(
        "strategy",
        "Strategy",
        "chessboard: black squares to training, white ones to validation. split: by proportions. all: everything to "
        "training. balanced: patches that bring the classes of a label image near to equal shares, then as chessboard.",
        STRATEGIES,
    )
    strategy_split_random: bool = voc.boolean(
        "strategy.split.random",
        "Split at random",
        "For split: patches in random order rather than one after the other.",
    )
    strategy_split_trainprop: float = voc.number(
        "strategy.split.trainprop", "Proportion for training", "For split; only ratios count.", default=50.0
    )
    strategy_split_validprop: float = voc.number(
        "strategy.split.validprop", "Proportion for validation", "For split.", default=25.0
    )
    strategy_split_testprop: float = voc.number(
        "strategy.split.testprop", "Proportion for test", "For split.", default=25.0
    )
    strategy_balanced_sp: float = voc.number(
        "strategy.balanced.sp",
        "Share drawn first",
        "For balanced: the share of the valid patches to begin with, drawn at random.",
        default=0.25,
        minimum=0,
        maximum=1,
    )
    strategy_balanced_nclasses: int | None = voc.integer(
        "strategy.balanced.nclasses",
        "Number of classes",
        "For balanced: more classes in the label image are an error. Not given: as many as there are.",
        minimum=1,
    )
    strategy_balanced_labelimage: Any = voc.raster(
        "strategy.balanced.labelimage",
        "Label image",
        "For balanced: a raster of one band with class labels, on the image's grid.",
        required=False,
    )
    gap: int = voc.integer(
        "gap",
        "Gap",
        "Distance in pixels to keep between patches of different groups. Above 0, groups get squares of several patches, "
        "and those too near to another group are left out.",
        default=0,
        minimum=0,
    )
    seed: int = shared.seed("what is drawn", default=0)
    nodata_from_layer: bool = shared.nodata_from_layer()
    alpha: str = shared.alpha()
    outtrain: str = voc.vector_out(
        "outtrain", "Training patches", "Points at the patches' middle pixels, with a field id.", geometry="point"
    )
    outvalid: str | None = voc.vector_out(
        "outvalid", "Validation patches", "As for training.", required=False, geometry="point"
    )
    outtest: str | None = voc.vector_out(
        "outtest", "Test patches", "As for training.", required=False, geometry="point"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for role, share in zip(SampleRole, self.proportions()):
            if self.outputs()[role] and not share > 0:
                raise ParameterError(f"STRATEGY_SPLIT_{role.short.upper()}PROP is {share:g}, but must be above 0.")
        if self.strategy == "balanced" and self.strategy_balanced_labelimage is None:
            raise ParameterError("STRATEGY_BALANCED_LABELIMAGE is missing: the strategy balanced needs a label image.")
        names = [name for name in self.outputs() if name]
        if len(set(names)) < len(names):
            raise ParameterError(f"Two outputs are the same file ({', '.join(names)}): choose another for one of them.")

    def outputs(self) -> tuple[str | None, str | None, str | None]:
        """Return the outputs of the three roles in their order."""
        return self.outtrain, self.outvalid, self.outtest

    def proportions(self) -> tuple[float, float, float]:
        """Return the proportions of the three roles in their order."""
        return self.strategy_split_trainprop, self.strategy_split_validprop, self.strategy_split_testprop
