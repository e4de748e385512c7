"""Serving a model: the run itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from ..base.progress import Progress
from ..classes.classtables import declare_classes
from ..errors import field
from ..files.staging import Staging, check_writable
from ..machine.memory import gdal_cache
from ..operations.tensorflowmodelserve import TensorflowModelServe
from ..rasters.outputarea import wanted_box
from ..rasters.outputfields import OUT_FIELDS
from ..rasters.outputtrial import Content
from ..rasters.pixeltypes import check_fits, written_type
from ..rasters.rasteroutput import OutputRaster, creation_options, driver_for
from .defaultsapplied import serving_defaults_of, with_serving_defaults
from .memorybudget import MemoryBudget
from .openmodel import OpenModel, open_model
from .parameterresolution import serve_settings

_WHOLE = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
"""Types of outputs that are taken for class numbers."""


def serve(parameters: TensorflowModelServe, progress: Progress) -> dict[str, Any]:
    """Serve the model and return {"out": path, ...}.

    Raises:
        ParameterError, RasterError, ModelError: bad input, as far as possible before work starts.
        Cancelled: `progress` asked to stop; nothing is left behind.
    """
    driver = driver_for(parameters.out, parameters.out_format, OUT_FIELDS)
    options = creation_options(parameters.out_co, OUT_FIELDS.options)
    check_writable(parameters.out, field("out"))
    defaults = serving_defaults_of(parameters.model_dir)
    parameters = with_serving_defaults(parameters, defaults, progress)
    settings = serve_settings(parameters, defaults)
    opened = open_model(settings, progress)
    from .runplan import plan_run  # these import TensorFlow, so not sooner
    from .tilecomputer import TileOutput
    from .tiledrun import TiledRun

    box = wanted_box(parameters.out_box, parameters.extent, opened.geometry.grid, opened.sources[0].stack.reference)
    reference = opened.reference(box)
    dtype, background = written_type(opened.compute.dtype_name, parameters.out_pixeltype), parameters.output_bv or 0.0
    declared = _declared(parameters, opened, dtype, background)
    output = TileOutput(dtype, background)
    memory = MemoryBudget.of(settings.memory, opened.sources)
    with gdal_cache(memory.cache), Staging(parameters.out, progress, field("out")) as staging:
        progress.check()
        plan = plan_run(opened, box, output, settings.tiling, memory, progress)
        run, bands = TiledRun(opened, plan, output), plan.bands
        with OutputRaster(
            staging,
            plan.grid,
            bands,
            dtype,
            reference,
            driver,
            options,
            nodata=declared,
            content=_content(opened, bands, dtype, [background] if opened.masked else []),
            fields=OUT_FIELDS,
        ) as raster:
            run.write(raster, progress)
            raster.commit(progress)
    for told in [*run.told(), *run.converter.told(field("out_pixeltype"), f"{background:g} ({field('output_bv')})")]:
        progress.warning(told)
    results = {"out": parameters.out, "width": box.width, "height": box.height, "bands": bands}
    if _shows_classes(opened, bands, dtype):
        results["classes"] = [vars(item) for item in opened.classes]
    return results


def _declared(parameters: TensorflowModelServe, opened: OpenModel, dtype: np.dtype, background: float) -> float | None:
    """Return the no-data value that the output declares.

    Raises:
        ParameterError: its pixel type cannot hold it, or the background value.
    """
    if opened.masked:
        check_fits(background, dtype, field("output_bv"))
    if parameters.out_nodata is not None:
        check_fits(parameters.out_nodata, dtype, field("out_nodata"))
        return parameters.out_nodata
    return background if opened.masked else None


def _shows_classes(opened: OpenModel, bands: int, dtype: np.dtype) -> bool:
    """Return whether the output holds the numbers of the model's classes: in real numbers too, as OTB writes maps."""
    if bands != 1 or not opened.classes:
        return False
    values = [item.value for item in opened.classes]
    exact = bool((np.array(values).astype(dtype) == values).all())
    return dtype.kind in "iu" or (opened.compute.dtype_name in _WHOLE and exact)


def _content(opened: OpenModel, bands: int, dtype: np.dtype, others: Sequence[float]) -> Content:
    """Return what the output holds: classes where the model returns whole numbers, or names its only band's classes.

    One output of three or four bands of bytes is taken for a picture.
    """
    known = opened.classes if bands == 1 else ()
    picture = opened.compute.dtype_name == "uint8" and bands in (3, 4) and len(opened.outputs) == 1
    return Content(
        classes=bool(known) or (opened.compute.dtype_name in _WHOLE and not picture),
        values=[*(item.value for item in known), *others] if known else (),
        describe=partial(declare_classes, classes=opened.classes, numbers=_shows_classes(opened, bands, dtype)),
    )
