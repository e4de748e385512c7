"""Serving a model: the run itself."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ModelError, ParameterError
from ..geometry.grid import Box
from ..geometry.serving import Span
from ..models.loading import load_model
from ..models.sidecar import read_sidecar
from ..operations.tensorflowmodelserve import TensorflowModelServe
from ..progress import Progress
from ..rasters.opening import is_nodata
from ..rasters.output import OutputRaster, Staging, check_writable, creation_options, driver_for, same_file
from ..rasters.types import check_fits, written_type
from . import tiles
from .area import wanted_box
from .classes import declare_classes
from .compute import Compute, cut_patches, whole
from .convert import Converter
from .devices import device_scope
from .geometry import Plan, given_axes, given_offsets, make_plan
from .memory import MB, budget, gdal_cache, peak_growth, release
from .pipeline import IN_FLIGHT, stream
from .resolve import Resolver, smallest_exact_crop
from .sources import OpenSource, open_sources, output_names, tie

SECONDS_PER_TILE = 2.0
"""Tiles are planned to take no longer, so that progress moves and a cancel is soon obeyed."""

PLANNED_SHARE = 0.85
"""Share of the memory budget for which tiles are planned: the C library keeps some of what was freed."""


def serve(parameters: TensorflowModelServe, progress: Progress) -> dict[str, Any]:
    """Serve the model; see `core.operations.tensorflowmodelserve.run`."""
    driver = driver_for(parameters.out, parameters.out_format)
    options = creation_options(parameters.out_co)
    check_writable(parameters.out)
    sources = open_sources(parameters)
    for source in sources:
        for name in source.stack.names:
            if same_file(name, parameters.out):
                raise ParameterError(f"The output {parameters.out} is also an input: choose another path.")
    scope = device_scope(parameters.device)
    with scope():
        model = load_model(parameters.model_dir, parameters.model_tagsets, parameters.trust_model)
    sidecar = read_sidecar(model.path)
    outputs = output_names(model, parameters.output_names)
    if not parameters.output_names:
        outputs = [smallest_exact_crop(model, outputs[0], parameters, sources, scope, sidecar)]
    feeds = tie(model, parameters, sources, outputs)
    resolver = Resolver(model, feeds, outputs, sources, scope, sidecar)
    classes = sidecar.classes_of(outputs) if sidecar else ()
    fields = resolver.fields(parameters)
    plan = make_plan(sources, fields)
    box = wanted_box(parameters, plan.grid, sources[0].stack.reference)
    compute = Compute(model, feeds, outputs, sources, scope)
    dtype = written_type(compute.dtype_name, parameters.out_pixeltype)
    masked = any(source.nodata is not None for source in sources)
    if masked:
        check_fits(parameters.output_bv, dtype, "OUTPUT_BV")
    progress.info(f"{model.kind} {model.path}: {', '.join(outputs)} from {', '.join(i.name for i in feeds.inputs)}.")
    progress.info(f"Geometry: {fields.as_parameters()}")
    if not fields.fullyconv and parameters.output_spcscale is None and fields.x.scale == 1:
        progress.info(
            "A model of patches does not show how far apart they shall lie: one for each pixel of source 1 is computed. "
            "For a coarser map in less time give OUTPUT_SPCSCALE."
        )

    padding = "reflect" if parameters.padding == "none" else parameters.padding
    job = Job(sources, plan, box, compute, Converter(dtype, parameters.output_bv), parameters.output_bv, padding)
    memory = budget(parameters.memory or parameters.ram)
    cache = max(16 * MB, min(256 * MB, memory // 8))
    planned = int(PLANNED_SHARE * memory) - cache
    with gdal_cache(cache), Staging(parameters.out, progress) as staging:
        progress.check()
        bands = job.learn()
        rate = None if fields.fixed else job.calibrate(planned)
        tile = _tile_size(parameters, job, planned, bands, dtype, rate)
        if fields.fullyconv and (tile[0] < plan.x.size or tile[1] < plan.y.size):
            whole = _learn_context(parameters, job, resolver, planned, rate, progress)
            tile = (box.width, box.height) if whole else _tile_size(parameters, job, planned, bands, dtype, rate)
        if not fields.fixed:
            progress.info(f"Tiles of {tile[0]} x {tile[1]} outputs, {memory // MB} MB.")
        release()
        with OutputRaster(
            staging,
            plan.grid.part(box),
            bands,
            dtype,
            sources[0].stack.reference,
            driver,
            options,
            nodata=parameters.output_bv if masked else None,
        ) as raster:
            declare_classes(raster.dataset, classes)
            job.run(raster, tile, progress)
            for source in sources:
                source.stack.check_unchanged()
            raster.commit(progress)
    if job.converter.replaced:
        progress.warning(
            f"{job.converter.replaced} values were NaN or infinite, which {dtype.name} cannot hold: "
            f"they are {parameters.output_bv:g} (OUTPUT_BV)."
        )
    results = {"out": parameters.out, "width": box.width, "height": box.height, "bands": bands}
    if classes and bands == 1 and dtype.kind in "iu":
        results["classes"] = [vars(item) for item in classes]
    return results


def _tile_size(
    parameters: TensorflowModelServe, job: Job, memory: int, bands: int, dtype: np.dtype, rate: Rate | None
) -> tuple[int, int]:
    """Return width and height of the tiles: as asked for, else as large as memory and time allow.

    A model of one size (no rate) has no tiles but its own regions.
    """
    width, height = job.box.width, job.box.height
    if rate is None:
        return min(job.plan.fields.x.efield, width), min(job.plan.fields.y.efield, height)
    if parameters.optim_disabletiling:
        return width, height
    if parameters.optim_tilesizex or parameters.optim_tilesizey:
        x = parameters.optim_tilesizex or parameters.optim_tilesizey or width
        y = parameters.optim_tilesizey or parameters.optim_tilesizex or height
        return min(x, width), min(y, height)
    measured = rate

    def cost(tile_width: int, tile_height: int) -> float:
        middle = Box(
            job.box.x + (width - tile_width) // 2, job.box.y + (height - tile_height) // 2, tile_width, tile_height
        )
        outputs = job.plan.computable(middle) if job.plan.fields.fullyconv else middle
        held = job.bytes_held(outputs, bands)
        return max((held + measured.memory(outputs.area)) / memory, measured.seconds * outputs.area / SECONDS_PER_TILE)

    return tiles.plan(width, height, cost, 1.0, strips=job.plan.fields.pixelwise)


def _learn_context(
    parameters: TensorflowModelServe,
    job: Job,
    resolver: Resolver,
    memory: int,
    rate: Rate | None,
    progress: Progress,
) -> bool:
    """Learn how far the model looks, so that values do not depend on the tiles; return whether that is everywhere.

    Raises:
        ModelError: every output depends on the whole image, which does not fit the memory.
    """
    scale = float(job.plan.fields.x.scale)

    def affordable(side: int) -> bool:
        return rate is None or rate.memory((side / scale) ** 2) <= memory

    offsets = given_offsets(given_axes(parameters), resolver.ratios)
    region = job.plan.region(0, Box(0, 0, job.plan.x.whole, job.plan.y.whole))
    try:
        context = resolver.context(affordable, (region.width, region.height), offsets)
    except ModelError as error:
        progress.warning(f"The model does not show how far it looks, so tiles may not meet exactly: {error}")
        return False
    fields = job.plan.fields.within(context)
    if fields.fixed:
        fitting = make_plan(job.sources, fields)
        if context.whole or not (fitting.x.meets and fitting.y.meets):
            job.plan = make_plan(job.sources, fields.side_by_side())
            progress.warning(
                f"The model takes {fields.x.rfields[0]} x {fields.y.rfields[0]} pixels only, and its outputs depend on more "
                "of their surroundings than that holds: the regions are computed side by side, and their edges may show."
            )
            return False
    job.plan = make_plan(job.sources, fields)
    if context.whole:
        needed = (rate.memory(job.plan.x.whole * job.plan.y.whole)) if rate else 0.0
        if needed > memory and not parameters.optim_disabletiling:
            raise ModelError(
                f"The model can only see the whole image at once ({context.reason}), which takes about "
                f"{needed / MB:.0f} MB where {memory / MB:.0f} MB are allowed: raise MEMORY, use a smaller image, or a "
                "model whose outputs depend on their surroundings only."
            )
        progress.info(f"The whole image is computed at once: {context.reason}.")
        return True
    progress.info(
        f"Tiles start at multiples of {context.stride} pixels and overlap by {max(context.margin_x)} x "
        f"{max(context.margin_y)} outputs, which depend on what lies around."
    )
    return False


@dataclass(frozen=True)
class Rate:
    """What computing takes, as measured: seconds and bytes per output pixel, and the most outputs of a batch."""

    seconds: float
    bytes: float
    batch: float

    def memory(self, outputs: float) -> float:
        """Return the bytes that computing so many outputs takes."""
        return self.bytes * min(outputs, self.batch)


@dataclass
class Tile:
    """One tile as it was read: pixels of each source, and where the output is no-data."""

    images: list[np.ndarray]
    nodata: np.ndarray | None


PATCH_BATCH_BYTES = 64 * MB
"""Patches are cut and computed in batches of about so many bytes."""

MASK_BYTES = 24
"""What finding no-data takes for a source pixel: counts along columns and along both, and what is copied on the way."""

CONVERT_BYTES = 24
"""What a value takes on its way to another pixel type: as double, clipped, and where it is finite."""


class Job:
    """Reads, computes and writes any box of the output."""

    def __init__(
        self,
        sources: Sequence[OpenSource],
        plan: Plan,
        box: Box,
        compute: Compute,
        converter: Converter,
        background: float,
        padding: str = "reflect",
    ) -> None:
        self.sources, self.plan, self.box = sources, plan, box
        self.compute, self.converter = compute, converter
        self._background, self._padding = background, padding
        self._bands = 0

    def learn(self) -> int:
        """Compute one small piece, so that a model that does not fit fails now; return the number of bands."""
        middle = Box(self.box.x + self.box.width // 2, self.box.y + self.box.height // 2, 1, 1)
        return self._compute(middle, self._read(middle, masked=False)).shape[-1]

    def calibrate(self, memory: int) -> Rate:
        """Measure time and memory of the model on growing pieces of the input, as far as the memory allows."""
        batch = float("inf") if self.plan.fields.fullyconv else float(self._batch_size())
        rate, scale = Rate(0.0, 0.0, batch), float(self.plan.fields.x.scale)
        for side in (64, 128, 256):
            width, height = (max(1, min(int(side / scale), size)) for size in (self.box.width, self.box.height))
            box = Box(
                self.box.x + (self.box.width - width) // 2, self.box.y + (self.box.height - height) // 2, width, height
            )
            tile = self._read(box, masked=False)
            start = time.monotonic()
            growth = peak_growth(lambda box=box, tile=tile: self._compute(box, tile))  # type: ignore[misc]
            area = self.plan.computable(box).area if self.plan.fields.fullyconv else box.area
            rate = Rate((time.monotonic() - start) / area, max(1.25 * growth / min(area, batch), 1.0), batch)
            if 16 * growth > memory or box == self.box:  # attention takes sixteen times as much for twice the side
                break
        return rate

    def bytes_held(self, outputs: Box, bands: int) -> float:
        """Return the bytes of the tiles on their way through the three stages, each of so many outputs."""
        total = 0.0
        for number, source in enumerate(self.sources):
            area = self.plan.region(number, outputs).area
            total += IN_FLIGHT * area * source.stack.bands * source.stack.dtype.itemsize
            total += MASK_BYTES * area if source.nodata is not None else 0
        values = outputs.area * bands
        name = self.compute.dtype_name
        model = np.dtype("float32" if name == "bfloat16" else name)
        return total + values * (IN_FLIGHT * model.itemsize + (CONVERT_BYTES if model != self.converter.dtype else 0))

    def run(self, raster: OutputRaster, tile: tuple[int, int], progress: Progress) -> None:
        """Compute the whole box into `raster`, tile by tile."""
        done = 0

        def write(part: Box, values: np.ndarray) -> None:
            nonlocal done
            raster.write(part, self.converter(values))
            done += part.area
            progress.fraction(done / self.box.area)

        def moved(part: Box) -> Box:
            return Box(part.x + self.box.x, part.y + self.box.y, part.width, part.height)

        stream(
            self._cells() if self.plan.fields.fixed else tiles.tiles(self.box.width, self.box.height, *tile),
            lambda part: self._read(moved(part)),
            lambda part, data: self._compute(moved(part), data),
            write,
            progress.check,
        )

    def _cells(self) -> Iterator[Box]:
        """Yield the parts of the box, counted from its corner, that a model of one size computes in one go."""
        for y in self.plan.y.cells(Span(self.box.y, self.box.height)):
            for x in self.plan.x.cells(Span(self.box.x, self.box.width)):
                yield Box(x.start - self.box.x, y.start - self.box.y, x.size, y.size)

    def _read(self, box: Box, masked: bool = True) -> Tile:
        outputs = self.plan.computable(box) if self.plan.fields.fullyconv else box
        images, mask = [], None
        for number, source in enumerate(self.sources):
            region = self.plan.region(number, outputs)
            if source.nodata is None or not masked:
                images.append(source.stack.read_padded(region, self._padding))
                continue
            columns = self.plan.x.footprint(number, Span(box.x, box.width))
            rows = self.plan.y.footprint(number, Span(box.y, box.height))
            under = Box(columns[0][0], rows[0][0], columns[1][-1] - columns[0][0], rows[1][-1] - rows[0][0])
            window = region.hull(under)
            pixels = source.stack.read_padded(window, self._padding)
            empty = _all_nodata(is_nodata(pixels, source.nodata), columns, rows, window)
            mask = empty if mask is None else mask | empty
            inner = Box(region.x - window.x, region.y - window.y, region.width, region.height)
            images.append(pixels[whole(inner)])
        return Tile(images, mask)

    def _compute(self, box: Box, tile: Tile) -> np.ndarray:
        if tile.nodata is not None and tile.nodata.all() and self._bands:
            return np.full((box.height, box.width, self._bands), self._background, self.converter.dtype)
        if self.plan.fields.fullyconv:
            outputs = self.plan.computable(box)
            values = self.compute.region(tile.images, outputs.width, outputs.height)
            values = values[whole(Box(box.x - outputs.x, box.y - outputs.y, box.width, box.height))]
        else:
            values = self._patches(box, tile.images)
        self._bands = values.shape[-1]
        if tile.nodata is not None and tile.nodata.any():
            values = values.copy()
            values[tile.nodata] = self._background
        return values

    def _patches(self, box: Box, images: Sequence[np.ndarray]) -> np.ndarray:
        """Cut and compute the patches of a box, a batch of outputs at a time."""
        x, y = self.plan.x, self.plan.y
        columns, rows = [], []
        for number in range(len(images)):
            left, top = x.patch_start(number, box.x), y.patch_start(number, box.y)
            columns.append([x.patch_start(number, i) - left for i in range(box.x, box.right)])
            rows.append([y.patch_start(number, i) - top for i in range(box.y, box.bottom)])
        size = self._batch_size()
        width = min(box.width, size)
        values: np.ndarray | None = None
        for part in tiles.tiles(box.width, box.height, width, max(1, size // width)):
            down, across = whole(part)
            batch = []
            for number, image in enumerate(images):
                field = self.plan.fields.rfield(number)
                patches = cut_patches(image, columns[number][across], rows[number][down], *field)
                batch.append(np.ascontiguousarray(patches).reshape(-1, *patches.shape[2:]))
            found = self.compute.patches(batch).reshape(part.height, part.width, -1)
            if values is None:
                values = np.empty((box.height, box.width, found.shape[-1]), found.dtype)
            values[down, across] = found
        assert values is not None  # nosec B101 (tells mypy)
        return values

    def _batch_size(self) -> int:
        """Return how many patches are cut and computed at a time."""
        patch = 0
        for number, source in enumerate(self.sources):
            width, height = self.plan.fields.rfield(number)
            patch += width * height * source.stack.bands * source.stack.dtype.itemsize
        return max(1, PATCH_BATCH_BYTES // patch)


def _all_nodata(
    mask: np.ndarray, columns: tuple[list[int], list[int]], rows: tuple[list[int], list[int]], window: Box
) -> np.ndarray:
    """Return for each output whether all source pixels of its footprint are no-data.

    Args:
        mask: no-data pixels of `window`.
        columns, rows: first and end pixel of each output's footprint, in the source.
        window: what was read of the source.
    """
    sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int64)
    np.cumsum(np.cumsum(mask, axis=0), axis=1, out=sums[1:, 1:])
    left, right = (np.asarray(c) - window.x for c in columns)
    top, bottom = (np.asarray(r) - window.y for r in rows)
    count = (
        sums[np.ix_(bottom, right)] - sums[np.ix_(top, right)] - sums[np.ix_(bottom, left)] + sums[np.ix_(top, left)]
    )
    area: np.ndarray = (bottom - top)[:, None] * (right - left)[None, :]
    full: np.ndarray = count == area
    return full
