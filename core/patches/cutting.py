"""Cutting patches out of images; each part of an image is read about once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..base.progress import Progress
from ..geometry.grid import Box
from ..rasters.rasterstack import Stack
from .patchpoints import PatchSource
from .patchstore import PatchStore

_WINDOW = 32_000_000  # bytes of image read at a time
_PATCHES = 16_000_000  # bytes of patches cut at a time
_CACHED = 256_000_000  # bytes read before GDAL is told to let go of the blocks it keeps


def tile_size(stack: Stack) -> tuple[int, int]:
    """Return width and height of the tiles in which an image is read: whole blocks of the file, of some megabytes."""
    pixels = max(1, _WINDOW // (stack.bands * stack.dtype.itemsize))
    block_width, block_height = stack.block_size
    width = max(block_width, min(1024, int(pixels**0.5)) // block_width * block_width)
    height = max(block_height, pixels // width // block_height * block_height)
    return width, min(height, max(1024, block_height))


def cut(
    source: PatchSource,
    columns: np.ndarray,
    rows: np.ndarray,
    store: PatchStore,
    valid: np.ndarray,
    progress: Progress,
    span: tuple[float, float],
) -> int:
    """Cut all patches of a source into `store`, and mark those without too much no-data in `valid`.

    Args:
        source: the source.
        columns: the patches' first columns, shape (n,).
        rows: their first rows.
        store: gets patch i under number i; those rejected are not put there.
        valid: bool, shape (n,); patches that are False already are passed over, those rejected become False.
        progress: told how far it is.
        span: the share of the whole work that this is, from and to.

    Returns:
        The number of patches rejected for no-data.
    """
    rejected = 0
    width, height = tile_size(source.stack)
    most = max(1, _PATCHES // source.patch_bytes)
    done, cached = 0, 0
    for members in _tiles(columns, rows, width, height):
        progress.check()
        done += len(members)
        members = members[valid[members]]
        if len(members):
            box = _hull(source, columns[members], rows[members])
            pixels = source.stack.read(box)
            cached += pixels.nbytes
            if cached > _CACHED:  # its cache may be as large as a twentieth of the machine's memory
                cached = 0
                for dataset in source.stack.datasets:
                    dataset.FlushCache()
            xs, ys = columns[members] - box.x, rows[members] - box.y
            bad = _with_nodata(pixels, box, source, xs, ys)
            if source.gap is not None:
                pixels = source.missing.with_gaps(pixels, box, source.gap).astype(source.stack.dtype, copy=False)
            if bad.any():
                rejected += int(bad.sum())
                valid[members[bad]] = False
                members, xs, ys = members[~bad], xs[~bad], ys[~bad]
            for start in range(0, len(members), most):
                part = slice(start, start + most)
                store.put(members[part], patches_at(pixels, xs[part], ys[part], source.width, source.height))
        progress.fraction(span[0] + (span[1] - span[0]) * done / len(columns))
    return rejected


def _tiles(columns: np.ndarray, rows: np.ndarray, width: int, height: int) -> Iterator[np.ndarray]:
    """Yield the numbers of the patches that start in each tile, in ascending order; tiles from north to south."""
    tile = (rows // height).astype("int64") * (int(columns.max()) // width + 1) + columns // width
    order = np.argsort(tile, kind="stable")
    breaks = np.flatnonzero(np.diff(tile[order])) + 1
    for start, end in zip([0, *breaks.tolist()], [*breaks.tolist(), len(order)]):
        yield order[start:end]


def _hull(source: PatchSource, columns: np.ndarray, rows: np.ndarray) -> Box:
    x, y = int(columns.min()), int(rows.min())
    return Box(x, y, int(columns.max()) - x + source.width, int(rows.max()) - y + source.height)


def patches_at(pixels: np.ndarray, columns: np.ndarray, rows: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return patches of `pixels` as an array of shape (n, height, width, bands).

    Args:
        pixels: shape (h, w, bands).
        columns: the patches' first columns, shape (n,).
        rows: their first rows.
        width: of a patch.
        height: of a patch.
    """
    pixels = np.ascontiguousarray(pixels)
    all_rows, all_columns, bands = pixels.shape
    # Every row of a patch is one run of memory: numbered by the pixel it starts at, runs are gathered whole.
    step = bands * pixels.itemsize
    runs = np.lib.stride_tricks.as_strided(
        pixels, (all_rows * all_columns - width + 1, width * bands), (step, pixels.itemsize), writeable=False
    )
    first = (rows[:, None].astype("int64") + np.arange(height)) * all_columns + columns[:, None]
    return runs[first].reshape(len(columns), height, width, bands)


def _with_nodata(
    pixels: np.ndarray, box: Box, source: PatchSource, columns: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """Return which patches have more no-data pixels than the rule accepts; `box` is where the pixels lie."""
    marked = source.missing.marked(pixels, box)
    if not marked.any():
        return np.zeros(len(columns), bool)
    sums = np.zeros((marked.shape[0] + 1, marked.shape[1] + 1), "int64")
    np.cumsum(np.cumsum(marked, axis=0), axis=1, out=sums[1:, 1:])
    right, bottom = columns + source.width, rows + source.height
    inside = sums[bottom, right] - sums[bottom, columns] - sums[rows, right] + sums[rows, columns]
    found: np.ndarray = inside > source.rule.pixels_allowed(source.width * source.height)
    return found
