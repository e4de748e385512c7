"""Serving a model: the run itself."""

from __future__ import annotations

from typing import Any

from ..operations.tensorflowmodelserve import TensorflowModelServe
from ..progress import Progress
from ..rasters.output import OutputRaster, Staging, check_writable, creation_options, driver_for
from ..rasters.types import check_fits, written_type
from .area import wanted_box
from .classes import declare_classes
from .convert import Converter
from .memory import MB, gdal_cache, release
from .opening import Budget, open_model


def serve(parameters: TensorflowModelServe, progress: Progress) -> dict[str, Any]:
    """Serve the model; see `core.operations.tensorflowmodelserve.run`."""
    driver = driver_for(parameters.out, parameters.out_format)
    options = creation_options(parameters.out_co)
    check_writable(parameters.out)
    opened = open_model(parameters, [parameters.out], progress)
    box = wanted_box(parameters.out_box, parameters.extent, opened.plan.grid, opened.sources[0].stack.reference)
    reference = opened.reference(box)
    dtype = written_type(opened.compute.dtype_name, parameters.out_pixeltype)
    if opened.masked:
        check_fits(parameters.output_bv, dtype, "OUTPUT_BV")
    declared = parameters.output_bv if opened.masked else None
    if parameters.out_nodata is not None:
        declared = parameters.out_nodata
        check_fits(declared, dtype, "OUT_NODATA")
    job = opened.job(parameters, box, Converter(dtype, parameters.output_bv), parameters.output_bv)
    memory = Budget.of(parameters, opened.sources)
    with gdal_cache(memory.cache), Staging(parameters.out, progress) as staging:
        progress.check()
        bands = job.learn()
        opened.choose_way(job, memory.planned, progress)
        tile = opened.tile(parameters, job, memory.planned, bands, progress)
        if not opened.plan.fields.fixed:
            progress.info(f"Tiles of {tile[0]} x {tile[1]} outputs, {memory.memory // MB} MB.")
        release()
        with OutputRaster(
            staging,
            opened.plan.grid.part(box),
            bands,
            dtype,
            reference,
            driver,
            options,
            nodata=declared,
        ) as raster:
            declare_classes(raster.dataset, opened.classes)
            job.run(raster, tile, progress)
            raster.commit(progress)
    if job.converter.replaced:
        progress.warning(
            f"{job.converter.replaced} values were NaN or infinite, which {dtype.name} cannot hold: "
            f"they are {parameters.output_bv:g} (OUTPUT_BV)."
        )
    results = {"out": parameters.out, "width": box.width, "height": box.height, "bands": bands}
    if opened.classes and bands == 1 and dtype.kind in "iu":
        results["classes"] = [vars(item) for item in opened.classes]
    return results
