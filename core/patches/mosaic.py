"""The work of PatchesMosaic: some patches of a patches image side by side, as a picture."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..base.progress import Progress
from ..classes.legend import from_rows
from ..errors import ParameterError, field
from ..files.staging import Staging
from ..geometry.grid import Axis, Box, Grid
from ..operations.patchesmosaic import PatchesMosaic
from ..phrases import Phrase
from ..rasters.outputtrial import PICTURE
from ..rasters.rasteroutput import OutputRaster, driver_for
from ..rasters.rasterreference import Reference
from ..rasters.rasterstack import Stack
from .contactsheet import choose, sheet
from .patchesimage import read_description


def make_mosaic(parameters: PatchesMosaic, progress: Progress) -> dict[str, Any]:
    """Make the picture.

    Returns:
        `out`, its path, and `patches`, the number of those shown.

    Raises:
        ParameterError, RasterError: bad input; nothing is written then.
    """
    stack = Stack([parameters.image], placed=False)
    name = stack.names[0]
    description = read_description(name)
    width = stack.grid.width
    height = parameters.patchsizey or int(description.get("patch_height", width))
    patches, rest = divmod(stack.grid.height, height)
    if rest or not patches:
        raise ParameterError(
            "{name} is {height} pixels high, which is not a multiple of the patch height {height2}: set {patchsizey}.",
            name=name,
            height=stack.grid.height,
            height2=height,
            patchsizey=field("patchsizey"),
        )
    bands = _bands(parameters.bands, stack.bands)
    labels = _labels(parameters.labels, patches)
    chosen = choose(labels, patches, parameters.count, parameters.seed)
    shown = np.empty((len(chosen), height, width, len(bands)), stack.dtype)
    for place, number in enumerate(chosen.tolist()):
        progress.check()
        shown[place] = stack.read(Box(0, number * height, width, height))[..., bands]
        progress.fraction(0.9 * (place + 1) / len(chosen))
    columns = min(len(chosen), parameters.columns or math.ceil(math.sqrt(len(chosen))))
    legend = from_rows(description.get("classes", []))
    colors = {float(value): entry.color for value, entry in legend.items() if entry.color}
    for value, entry in sorted(legend.items()):
        if entry.name:
            progress.info(Phrase("Class {value}: {entry}.", value=value, entry=entry.name))
    picture = sheet(shown, None if labels is None else labels[chosen].tolist(), colors, columns, parameters.zoom)
    grid = Grid(Axis(0.0, 1.0, picture.shape[1]), Axis(0.0, 1.0, picture.shape[0]))
    driver = driver_for(parameters.out)
    with Staging(parameters.out, progress, field("out")) as staging:
        output = OutputRaster(staging, grid, 3, picture.dtype, Reference("", False), driver, content=PICTURE)
        output.write(grid.box, picture)
        output.commit(progress)
    return {"out": parameters.out, "patches": len(chosen)}


def _bands(text: str, available: int) -> list[int]:
    """Return the bands asked for, counted from 0."""
    if not text.strip():
        return [0, 1, 2] if available >= 3 else [0]
    words = text.replace(",", " ").split()
    numbers = [int(word) for word in words if word.isdecimal()]
    if len(numbers) != len(words) or len(numbers) not in (1, 3) or not all(1 <= n <= available for n in numbers):
        raise ParameterError(
            "{bands} is {text!r}, but must be one or three numbers from 1 to {available}.",
            bands=field("bands"),
            text=text,
            available=available,
        )
    return [number - 1 for number in numbers]


def _labels(source: Any, patches: int) -> np.ndarray | None:
    if source is None:
        return None
    stack = Stack([source], placed=False)
    if stack.bands != 1 or stack.grid.width * stack.grid.height != patches:
        raise ParameterError(
            "{labels} is {name}, which holds {width} x {height} labels in {bands} bands, but there are {patches} "
            "patches: choose the labels that were made with them.",
            labels=field("labels"),
            name=stack.names[0],
            width=stack.grid.width,
            height=stack.grid.height,
            bands=stack.bands,
            patches=patches,
        )
    return stack.read(stack.grid.box).reshape(-1)
