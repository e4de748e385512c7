"""PatchesSelection: a regular grid of patches, shared out between training, validation and test."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..base.progress import Progress
from ..errors import ParameterError
from ..parameters import vocabulary as voc
from ..patches import patchgroups as groups
from ..patches.balancing import balanced, class_histograms
from ..patches.patchgrid import PatchGrid, whole_patches
from ..rasters.alpha import open_images
from ..rasters.rasteropening import Stack
from ..samples.labelraster import LabelRaster
from ..samples.validity import Validity
from ..vectors.vectoropening import INTEGER, Field
from ..vectors.vectoroutput import OutputVector, check_vector_output, vector_staging

STRATEGIES = ("chessboard", "split", "all", "balanced")


@dataclass(frozen=True)
class PatchesSelection:
    """Parameters of `run`; see OTBTF's application of the same name."""

    NEEDS_ENGINE: ClassVar[bool] = False

    image: Any = voc.raster("in", "Image", "The image on whose grid the patches lie.")
    mask: Any = voc.raster(
        "mask",
        "Mask",
        "A raster of one band on the image's grid; where it is 0 no patch may lie.",
        required=False,
    )
    nodata: float | None = voc.number(
        "nodata",
        "No-data value",
        "A pixel is no-data where all bands have this value (nan is possible); no patch may hold one. Not given: the "
        "layer's own, where NODATA_FROM_LAYER is on.",
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
    seed: int = voc.integer("seed", "Seed", "Of what is random; the same seed repeats it.", default=0, minimum=0)
    nodata_from_layer: bool = voc.boolean(
        "nodata_from_layer",
        "No-data value from the layer",
        "Where the no-data value is not given, use the layer's own. Off: its masks, and no-data values set in its "
        "properties, do not count either.",
        default=True,
        advanced=True,
    )
    alpha: str = voc.alpha()
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
        for group, share in enumerate(self.proportions()):
            if self.outputs()[group] and not share > 0:
                raise ParameterError(
                    f"STRATEGY_SPLIT_{groups.NAMES[group].upper()}PROP is {share:g}, but must be above 0."
                )
        if self.strategy == "balanced" and self.strategy_balanced_labelimage is None:
            raise ParameterError("STRATEGY_BALANCED_LABELIMAGE is missing: the strategy balanced needs a label image.")
        names = [name for name in self.outputs() if name]
        if len(set(names)) < len(names):
            raise ParameterError(f"Two outputs are the same file ({', '.join(names)}): choose another for one of them.")

    def outputs(self) -> tuple[str | None, str | None, str | None]:
        """Return the outputs of the groups in their order."""
        return self.outtrain, self.outvalid, self.outtest

    def proportions(self) -> tuple[float, float, float]:
        """Return the proportions of the groups in their order."""
        return self.strategy_split_trainprop, self.strategy_split_validprop, self.strategy_split_testprop


def run(parameters: PatchesSelection, progress: Progress) -> dict[str, Any]:
    """Choose the patches and write their points.

    Returns:
        The outputs' paths by key; `train`, `valid` and `test`, the numbers of patches; `overlap_train`, the number of
        training patches that overlap a validation patch, and `overlap_valid`, the reverse.

    Raises:
        ParameterError, RasterError, VectorError: bad input; nothing is written then.
        Cancelled: `progress` asked to stop.
    """
    for name, path in zip(groups.NAMES, parameters.outputs()):
        if path:
            check_vector_output(path, f"OUT{name.upper()}")
    image = open_images([parameters.image], parameters.alpha, progress)
    patches = PatchGrid(
        image.grid, parameters.grid_psize, parameters.grid_step, parameters.grid_offsetx, parameters.grid_offsety
    )
    validity = Validity(image, parameters.nodata, parameters.nodata_from_layer, parameters.mask)
    whole = whole_patches(patches, validity.read, progress)
    if not whole.any():
        raise ParameterError(
            f"None of {whole.size} patches of {patches.size} x {patches.size} pixels is free of no-data"
            f"{' and masked' if parameters.mask is not None else ''} pixels: choose smaller patches, or check NODATA"
            f"{' and MASK' if parameters.mask is not None else ''}."
        )
    progress.info(f"{int(whole.sum())} of {whole.size} patches are valid.")
    grouped = _grouped(parameters, patches, whole, progress)
    if parameters.gap:
        progress.info(f"{groups.keep_apart(grouped, patches, parameters.gap)} patches left out to keep the gap.")
    overlap_train, overlap_valid = groups.overlapping(grouped, patches) if parameters.outvalid else (0, 0)
    if overlap_train or overlap_valid:
        progress.warning(
            f"{overlap_train} training patches and {overlap_valid} validation patches overlap one of the other group: "
            "the validation will look better than it is. Set GRID_STEP to at least GRID_PSIZE, or GAP."
        )
    sizes = [int((grouped == group).sum()) for group in range(3)]
    _write(parameters, patches, grouped, image, progress)
    outputs = {f"out{name}": path for name, path in zip(groups.NAMES, parameters.outputs()) if path}
    return {
        **outputs,
        **dict(zip(groups.NAMES, sizes)),
        "overlap_train": overlap_train,
        "overlap_valid": overlap_valid,
    }


def _grouped(parameters: PatchesSelection, patches: PatchGrid, whole: np.ndarray, progress: Progress) -> np.ndarray:
    """Return the group of every patch, int8, shape (rows, columns)."""
    random = np.random.default_rng(parameters.seed)
    side = groups.block_side(patches, parameters.gap)
    if parameters.strategy == "all":
        return np.where(whole, groups.TRAIN, groups.NONE).astype("int8")
    if parameters.strategy == "split":
        shares = [share if path else 0.0 for share, path in zip(parameters.proportions(), parameters.outputs())]
        return groups.split(whole, shares, side, random if parameters.strategy_split_random else None)
    if parameters.strategy == "balanced":
        labels = LabelRaster(
            parameters.strategy_balanced_labelimage,
            None,
            parameters.nodata_from_layer,
            "STRATEGY_BALANCED_LABELIMAGE",
            alpha=parameters.alpha,
            progress=progress,
        )
        if not labels.stack.grid.same_as(patches.image):
            raise ParameterError(
                f"STRATEGY_BALANCED_LABELIMAGE lies on another grid ({labels.stack.grid.describe()}) than the image "
                f"({patches.image.describe()}): warp it to the image's grid."
            )
        histograms = class_histograms(labels, patches, whole, parameters.strategy_balanced_nclasses, progress)
        rows, columns = np.nonzero(whole)
        chosen = balanced(histograms, parameters.strategy_balanced_sp, random, progress)
        whole = np.zeros_like(whole)
        whole[rows[chosen], columns[chosen]] = True
        progress.info(f"{len(chosen)} of them chosen for balance.")
    return np.where(whole, groups.chessboard((patches.rows, patches.columns), side), groups.NONE).astype("int8")


def _write(
    parameters: PatchesSelection, patches: PatchGrid, grouped: np.ndarray, image: Stack, progress: Progress
) -> None:
    numbers = np.cumsum(grouped.reshape(-1) != groups.NONE).reshape(grouped.shape) - 1
    with ExitStack() as context:
        places = []
        for group, path in enumerate(parameters.outputs()):
            if not path:
                continue
            key = f"OUT{groups.NAMES[group].upper()}"
            rows, columns = np.nonzero(grouped == group)
            if not len(rows):
                progress.warning(f"{key} is empty: the strategy {parameters.strategy} gives no patch to it.")
            place = context.enter_context(vector_staging(path, progress, key))
            out = context.enter_context(OutputVector(place, [Field("id", INTEGER)], image.reference, progress))
            x, y = patches.points(rows, columns)
            out.write([numbers[rows, columns]], x, y)
            out.close()
            progress.info(f"{len(rows)} patches in {key}.")
            places.append(place)
        for place in places:
            place.commit()
