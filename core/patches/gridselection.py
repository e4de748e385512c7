"""PatchesSelection: a regular grid of patches, divided into training, validation and test."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np

from ..base.progress import Progress
from ..errors import ParameterError, field
from ..operations.patchesselection import PatchesSelection
from ..parameters.nodatarules import NodataRule, rule_of
from ..parameters.sampleroles import SampleRole
from ..phrases import Phrase
from ..rasters.alpha import open_images
from ..rasters.rasterstack import Stack
from ..samples.labelraster import LabelRaster
from ..samples.validity import Validity
from ..vectors.vectorlayer import INTEGER, Field
from ..vectors.vectoroutput import OutputVector, check_vector_output, vector_staging
from . import patchgroups as groups
from .balancing import balanced, class_histograms
from .patchgrid import PatchGrid, whole_patches


def select_patches(parameters: PatchesSelection, progress: Progress) -> dict[str, Any]:
    """Choose the patches and write their points.

    Returns:
        The outputs' paths by key; `train`, `valid` and `test`, the numbers of patches; `overlap_train`, the number of
        training patches that overlap a validation patch, and `overlap_valid`, the reverse.

    Raises:
        ParameterError, RasterError, VectorError: bad input; nothing is written then.
        Cancelled: `progress` asked to stop.
    """
    for role, path in zip(SampleRole, parameters.outputs()):
        if path:
            check_vector_output(path, field(f"out{role.short}"))
    image = open_images([parameters.image], parameters.alpha, progress)
    patches = PatchGrid(
        image.grid, parameters.grid_psize, parameters.grid_step, parameters.grid_offsetx, parameters.grid_offsety
    )
    rule = rule_of(parameters, NodataRule(pixels=0.0))
    validity = Validity(image, parameters.nodata, parameters.nodata_from_layer, parameters.mask, rule)
    whole = whole_patches(patches, validity.read, progress, rule.pixels_allowed(patches.size**2))
    if not whole.any():
        masked = parameters.mask is not None
        raise ParameterError(
            "None of {size} patches of {patches_size} x {patches_size} pixels is free of no-data{and_masked} "
            "pixels: choose smaller patches, or check {nodata}{mask}.",
            size=whole.size,
            patches_size=patches.size,
            and_masked=Phrase(" and masked") if masked else "",
            nodata=field("nodata"),
            mask=Phrase(" and ") + field("mask") if masked else "",
        )
    progress.info(Phrase("Valid patches: {whole} of {size}.", whole=int(whole.sum()), size=whole.size))
    grouped = _grouped(parameters, patches, whole, progress)
    if parameters.gap:
        progress.info(
            Phrase(
                "{keep_apart} {keep_apart:patch was|patches were} left out to keep the gap.",
                keep_apart=groups.keep_apart(grouped, patches, parameters.gap),
            )
        )
    overlap_train, overlap_valid = groups.overlapping(grouped, patches) if parameters.outvalid else (0, 0)
    if overlap_train or overlap_valid:
        progress.warning(
            Phrase(
                "{overlap_train} training patches and {overlap_valid} validation patches overlap one of the other "
                "group, so the validation will be too optimistic. Set {grid_step} to at least {grid_psize}, or set "
                "{gap}.",
                overlap_train=overlap_train,
                overlap_valid=overlap_valid,
                grid_step=field("grid_step"),
                grid_psize=field("grid_psize"),
                gap=field("gap"),
            )
        )
    sizes = {role.short: int((grouped == role).sum()) for role in SampleRole}
    _write(parameters, patches, grouped, image, progress)
    outputs = {f"out{role.short}": path for role, path in zip(SampleRole, parameters.outputs()) if path}
    return {
        **outputs,
        **sizes,
        "overlap_train": overlap_train,
        "overlap_valid": overlap_valid,
    }


def _grouped(parameters: PatchesSelection, patches: PatchGrid, whole: np.ndarray, progress: Progress) -> np.ndarray:
    """Return the group of every patch, int8, shape (rows, columns)."""
    random = np.random.default_rng(parameters.seed)
    side = groups.block_side(patches, parameters.gap)
    if parameters.strategy == "all":
        return np.where(whole, SampleRole.TRAINING, groups.NONE).astype("int8")
    if parameters.strategy == "split":
        shares = [share if path else 0.0 for share, path in zip(parameters.proportions(), parameters.outputs())]
        return groups.split(whole, shares, side, random if parameters.strategy_split_random else None)
    if parameters.strategy == "balanced":
        labels = LabelRaster(
            parameters.strategy_balanced_labelimage,
            None,
            parameters.nodata_from_layer,
            field("strategy_balanced_labelimage"),
            alpha=parameters.alpha,
            progress=progress,
        )
        if not labels.stack.grid.same_as(patches.image):
            raise ParameterError(
                "{strategy_balanced_labelimage} has another grid ({grid}) than the image ({image}): warp it to the "
                "image's grid.",
                strategy_balanced_labelimage=field("strategy_balanced_labelimage"),
                grid=labels.stack.grid.describe(),
                image=patches.image.describe(),
            )
        histograms = class_histograms(labels, patches, whole, parameters.strategy_balanced_nclasses, progress)
        rows, columns = np.nonzero(whole)
        chosen = balanced(histograms, parameters.strategy_balanced_sp, random, progress)
        whole = np.zeros_like(whole)
        whole[rows[chosen], columns[chosen]] = True
        progress.info(Phrase("{chosen_count} of them were chosen for balance.", chosen_count=len(chosen)))
    return np.where(whole, groups.chessboard((patches.rows, patches.columns), side), groups.NONE).astype("int8")


def _write(
    parameters: PatchesSelection, patches: PatchGrid, grouped: np.ndarray, image: Stack, progress: Progress
) -> None:
    numbers = np.cumsum(grouped.reshape(-1) != groups.NONE).reshape(grouped.shape) - 1
    with ExitStack() as context:
        places = []
        for role, path in zip(SampleRole, parameters.outputs()):
            if not path:
                continue
            name = field(f"out{role.short}")
            rows, columns = np.nonzero(grouped == role)
            if not len(rows):
                progress.warning(
                    Phrase(
                        "{name} is empty: the strategy {strategy} assigns no patch to it.",
                        name=name,
                        strategy=parameters.strategy,
                    )
                )
            place = context.enter_context(vector_staging(path, progress, name))
            out = context.enter_context(OutputVector(place, [Field("id", INTEGER)], image.reference, progress))
            x, y = patches.points(rows, columns)
            out.write([numbers[rows, columns]], x, y)
            out.close()
            progress.info(Phrase("{rows_count} {rows_count:patch|patches} in {name}.", rows_count=len(rows), name=name))
            places.append(place)
        for place in places:
            place.commit()
