"""Serving a model: the run itself."""

from __future__ import annotations

from typing import Any

from ..base.progress import Progress
from ..errors import field
from ..files.staging import Staging, check_writable
from ..machine import preloading
from ..machine.memory import gdal_cache
from ..operations.tensorflowmodelserve import TensorflowModelServe
from ..parts.partedrun import run_in_parts, wants_parts
from ..phrases import Phrase
from ..rasters.outputarea import wanted_box
from ..rasters.outputfields import OUT_FIELDS
from ..rasters.pixeltypes import written_type
from ..rasters.rasteroutput import OutputRaster, creation_options, driver_for
from .defaultsapplied import serving_defaults_of, with_serving_defaults
from .memorybudget import MemoryBudget
from .openmodel import open_model
from .parameterresolution import serve_settings
from .servedoutput import declared_nodata, output_content, told_classes


def serve(parameters: TensorflowModelServe, progress: Progress) -> dict[str, Any]:
    """Serve the model and return {"out": path, ...}.

    Raises:
        ParameterError, RasterError, ModelError: bad input, as far as possible before work starts.
        Cancelled: `progress` asked to stop; nothing is left behind.
    """
    if wants_parts(parameters):
        preloading.wait()
        from .modelidentity import packages_of  # these import TensorFlow
        from .serveparts import ServedParts

        return run_in_parts(parameters, ServedParts, packages_of(parameters.model_dir), progress)
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
    declared = declared_nodata(parameters.out_nodata, opened, dtype, background)
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
            content=output_content(opened, bands, dtype, [background] if opened.masked else []),
            fields=OUT_FIELDS,
            overviews=parameters.out_overviews,
        ) as raster:
            run.write(raster, progress)
            raster.commit(progress)
    for told in [*run.told(), *run.converter.told(field("out_pixeltype"), f"{background:g} ({field('output_bv')})")]:
        progress.warning(told)
    if opened.masked:
        progress.info(
            Phrase("{without_data} of {area} output pixels are no-data.", without_data=run.without_data, area=box.area)
        )
    results = {"out": parameters.out, "width": box.width, "height": box.height, "bands": bands}
    results["pixels_nodata"] = run.without_data
    return {**results, **told_classes(opened, bands, dtype)}
