"""PatchesSelection: a regular grid of patches, split into training, validation and test patches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError, field
from ..parameters import sections
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.nodatarules import PatchRule
from ..parameters.operation import NumberResult, Operation
from ..parameters.sampleroles import SampleRole

STRATEGIES = ("chessboard", "split", "all", "balanced")


@dataclass(frozen=True)
class PatchesSelection(Operation, PatchRule):
    """See OTBTF's application of the same name."""

    TITLE = "Select patch locations on a grid"
    GROUP = "patches"
    DESCRIPTION = (
        "Creates a regular grid of patches over an image, excludes those with no-data or masked pixels, and splits "
        "the others into training, validation and test patches. PatchesExtraction cuts them at the points written.\n\n"
        "If patches of different groups overlap, the validation scores are too optimistic: their number is reported, "
        "and GAP separates the groups."
    )
    RESULTS = (
        NumberResult("train", "Number of training patches"),
        NumberResult("valid", "Number of validation patches"),
        NumberResult("test", "Number of test patches"),
        NumberResult("overlap_train", "Training patches that overlap a validation patch"),
        NumberResult("overlap_valid", "Validation patches that overlap a training patch"),
    )
    RUN = "patches.gridselection:select_patches"

    image: Any = voc.raster("in", "Image", "The image whose grid the patches follow.")
    mask: Any = shared.mask("Patches with pixels where it is 0 are excluded.")
    nodata: float | None = shared.nodata(
        "Value of missing data (nan is possible). Pixels in which all bands have it are no-data, and patches with such pixels "
        "are excluded, unless NODATA_RULE and NODATA_PIXELS say otherwise.",
        advanced=True,
    )
    grid_psize: int = voc.integer(
        "grid.psize",
        "Patch size",
        "Width and height of the patches, in pixels.",
        minimum=1,
        required=True,
        suggested=shared.SUGGESTED_SIZE,
        section=sections.SAMPLES,
    )
    grid_step: int = voc.integer(
        "grid.step",
        "Grid step",
        "Distance from one patch to the next, in pixels.",
        minimum=1,
        required=True,
        suggested=shared.SUGGESTED_SIZE,
        section=sections.SAMPLES,
    )
    grid_offsetx: int = voc.integer(
        "grid.offsetx",
        "Offset, x",
        "First column of the first patch, from 0.",
        default=0,
        minimum=0,
        advanced=True,
        section=sections.SAMPLES,
    )
    grid_offsety: int = voc.integer(
        "grid.offsety",
        "Offset, y",
        "First row of the first patch, from 0.",
        default=0,
        minimum=0,
        advanced=True,
        section=sections.SAMPLES,
    )
    strategy: str = voc.choice(
        "strategy",
        "Strategy",
        "chessboard: black squares for training, white squares for validation. split: by proportions. all: all "
        "patches for training. balanced: patches with nearly equal shares of the classes of a label image, then as "
        "chessboard.",
        STRATEGIES,
        section=sections.SAMPLES,
    )
    strategy_split_random: bool = voc.boolean(
        "strategy.split.random",
        "Split at random",
        "For the strategy split: patches in random order, instead of one after the other.",
        section=sections.SAMPLES,
        advanced=True,
    )
    strategy_split_trainprop: float = voc.number(
        "strategy.split.trainprop",
        "Proportion for training",
        "For the strategy split: proportion of the training patches; only the ratios matter.",
        default=50.0,
        section=sections.SAMPLES,
        advanced=True,
    )
    strategy_split_validprop: float = voc.number(
        "strategy.split.validprop",
        "Proportion for validation",
        "For the strategy split: proportion of the validation patches.",
        default=25.0,
        section=sections.SAMPLES,
        advanced=True,
    )
    strategy_split_testprop: float = voc.number(
        "strategy.split.testprop",
        "Proportion for test",
        "For the strategy split: proportion of the test patches.",
        default=25.0,
        section=sections.SAMPLES,
        advanced=True,
    )
    strategy_balanced_sp: float = voc.number(
        "strategy.balanced.sp",
        "Initial share",
        "For the strategy balanced: share of the valid patches selected at random at the start.",
        default=0.25,
        minimum=0,
        maximum=1,
        section=sections.SAMPLES,
        advanced=True,
    )
    strategy_balanced_nclasses: int | None = voc.integer(
        "strategy.balanced.nclasses",
        "Number of classes",
        "For the strategy balanced: number of classes in the label image; more are an error. Default: the number "
        "found.",
        minimum=1,
        section=sections.SAMPLES,
        advanced=True,
    )
    strategy_balanced_labelimage: Any = voc.raster(
        "strategy.balanced.labelimage",
        "Label image",
        "For the strategy balanced: raster of one band with class labels, on the image's grid.",
        required=False,
        section=sections.SAMPLES,
    )
    gap: int = voc.integer(
        "gap",
        "Gap",
        "Minimum distance between patches of different groups, in pixels. If it is above 0, each group has squares "
        "of several patches, and patches too close to another group are excluded.",
        default=0,
        minimum=0,
        section=sections.SAMPLES,
    )
    seed: int = shared.seed(default=0, advanced=True, section=sections.SAMPLES)
    nodata_from_layer: bool = shared.nodata_from_layer()
    alpha: str = shared.alpha()
    outtrain: str = voc.vector_out(
        "outtrain", "Training patches", "Points at the middle pixels of the patches, with a field id.", geometry="point"
    )
    outvalid: str | None = voc.vector_out(
        "outvalid", "Validation patches", "The same for the validation patches.", required=False, geometry="point"
    )
    outtest: str | None = voc.vector_out(
        "outtest", "Test patches", "The same for the test patches.", required=False, geometry="point"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for role, share in zip(SampleRole, self.proportions()):
            if self.outputs()[role] and not share > 0:
                raise ParameterError(
                    "{short} is {share:g}, but must be above 0.",
                    short=field(f"strategy_split_{role.short}prop"),
                    share=share,
                )
        if self.strategy == "balanced" and self.strategy_balanced_labelimage is None:
            raise ParameterError(
                "{strategy} is balanced, but {strategy_balanced_labelimage} is missing: choose a label image.",
                strategy=field("strategy"),
                strategy_balanced_labelimage=field("strategy_balanced_labelimage"),
            )
        names = [name for name in self.outputs() if name]
        if len(set(names)) < len(names):
            raise ParameterError(
                "Two outputs are the same file ({names}): choose another file for one of them.", names=", ".join(names)
            )

    def outputs(self) -> tuple[str | None, str | None, str | None]:
        """Return the outputs of the three roles in their order."""
        return self.outtrain, self.outvalid, self.outtest

    def proportions(self) -> tuple[float, float, float]:
        """Return the proportions of the three roles in their order."""
        return self.strategy_split_trainprop, self.strategy_split_validprop, self.strategy_split_testprop
