"""Opening the samples of training, validation and test."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf

from ..base.progress import Progress
from ..errors import ParameterError, RasterError, RecordsError, field
from ..parameters.sampleroles import SampleRole
from ..patches.patchesimage import read_description
from ..patches.patchesreader import PatchesImagesReader
from ..phrases import Phrase
from .recordsamples import RecordSamples
from .samplebatches import AT_ONCE, PatchesInMemory, PatchSamples, Samples

_ORIGINAL_ERRORS = {r"RasterError: (.+)": RasterError, r"value: '(The file .+?)'\s": RecordsError}
"""What stands in TensorFlow's message where our error caused it: the words behind it, and the error."""


def open_samples(
    role: SampleRole,
    sources: Sequence[Any],
    records: str | None,
    streaming: bool,
    budget: int,
    progress: Progress,
) -> Samples | None:
    """Open the samples of one role.

    Args:
        role: of the samples.
        sources: with `il`, and for training `patchsizex` and `patchsizey`.
        records: a folder of TFRecords in their place.
        streaming: True to read patches when they are used.
        budget: bytes for patches that are kept, or among which the order is drawn.
        progress: is told when patches need more memory than the budget, and asked to stop.

    Returns:
        The samples; None where there are neither sources nor records.

    Raises:
        ParameterError, RasterError, RecordsError: they cannot be read, do not fit each other, or there are none.
    """
    if records:
        found: Samples = RecordSamples(records, budget)
    elif sources:
        found = _open_patches(role, sources, streaming, budget, progress)
    else:
        return None
    progress.info(Phrase("Samples for {role}: {size}; {found}.", role=role, size=found.size, found=_described(found)))
    return found


def _open_patches(
    role: SampleRole, sources: Sequence[Any], streaming: bool, budget: int, progress: Progress
) -> PatchSamples:
    files = {f"source{number}": list(source.il) for number, source in enumerate(sources, 1)}
    heights = {
        f"source{number}": rows
        for number, source in enumerate(sources, 1)
        if (rows := getattr(source, "patchsizey", None))
    }
    images = PatchesImagesReader(files, use_streaming=True, patch_heights=heights)
    if images.get_size() == 0:
        raise ParameterError(
            "{mention} holds no patches: give patches images with at least one.", mention=role.mention("il", "source1")
        )
    for key, source in zip(files, sources):
        width, wanted = images.gdal_ds[key][0].RasterXSize, getattr(source, "patchsizex", None)
        if wanted and wanted != width:
            raise ParameterError(
                "{mention} is {wanted}, but {il} has patches {width} pixels wide: correct it, or leave it out.",
                mention=role.mention("patchsizex", key),
                wanted=wanted,
                il=source.il[0],
                width=width,
            )
    sample = images.get_sample(0)
    needed = images.get_size() * sum(array.nbytes for array in sample.values())
    if not streaming and needed > budget:
        progress.info(
            Phrase(
                "{needed:.0f} MB of patches for {role} exceed the memory for them ({budget:.0f} MB, a part of "
                "{memory}), so they are read when they are used.",
                role=role,
                needed=needed / 1e6,
                budget=budget / 1e6,
                memory=field("memory"),
            )
        )
        streaming = True
    if streaming:
        return PatchSamples(images, files, budget)
    in_memory = PatchesInMemory(images, progress)
    for key, count in (+in_memory.not_finite).items():
        if "nodata" in read_description(files[key][0]):
            continue  # missing values that were meant to be kept, for a network that fills them
        progress.warning(
            Phrase(
                "{count} of {get_size} patches of {mention} hold NaN or infinite values, from which nothing can be "
                "learned: extract patches with the no-data value nan, which leaves them out.",
                count=count,
                get_size=images.get_size(),
                mention=role.mention("il", key),
            )
        )
    return PatchSamples(in_memory, files, budget)


def _described(samples: Samples) -> str:
    parts = []
    for number, (key, shape) in enumerate(samples.shapes.items(), 1):
        size = " x ".join(map(str, (shape[1], shape[0], *shape[2:]) if len(shape) > 1 else shape))
        parts.append(Phrase("source {number}: {size} {key}", number=number, size=size, key=samples.dtypes[key].name))
    return Phrase(", ").join(parts)


@contextmanager
def original_errors() -> Iterator[None]:
    """Turn TensorFlow's error about samples that cannot be read back into ours, which caused it."""
    try:
        yield
    except tf.errors.OpError as error:
        for pattern, kind in _ORIGINAL_ERRORS.items():
            found = re.search(pattern, str(error))
            if found:
                raise kind(found[1]) from error
        raise


def read_groups(paths: Sequence[str]) -> np.ndarray:
    """Return one value per patch from images of one value per patch, such as labels images.

    Raises:
        RasterError: they cannot be read.
        ParameterError: a patch has more than one value.
    """
    reader = PatchesImagesReader({"groups": paths}, use_streaming=True)
    samples = PatchSamples(reader, {"groups": paths}, AT_ONCE)
    if int(np.prod(samples.shapes["groups"])) != 1:
        shape = samples.shapes["groups"]
        raise ParameterError(
            "{validation_groups} is {path}, which has patches of {shape} x {shape2} pixels and {shape3} bands: give "
            "an image of one value per patch, such as a labels image of PatchesExtraction.",
            validation_groups=field("validation_groups"),
            path=paths[0],
            shape=shape[1],
            shape2=shape[0],
            shape3=shape[2],
        )
    return np.concatenate([values.reshape(-1) for values in samples.values("groups")])
