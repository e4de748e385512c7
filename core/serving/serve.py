"""Serving a model: the run itself."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from ..base.progress import Progress
from ..machine import preloading
from ..machine.memory import gdal_cache
from ..operations.tensorflowmodelserve import TensorflowModelServe
from ..parts.partedoutput import PartedOperation
from ..parts.partedrun import run_in_parts, wants_parts
from ..parts.rasterparts import RasterParts
from ..parts.rasterset import RasterSet
from ..phrases import Phrase
from ..rasters.outputarea import wanted_box
from .defaultsapplied import serving_defaults_of, with_serving_defaults
from .memorybudget import MemoryBudget
from .openmodel import open_model
from .parameterresolution import raster_settings, serve_settings


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

        operation = PartedOperation(RasterParts, ServedParts, packages_of(parameters))
        return run_in_parts(parameters, operation, progress)
    with ExitStack() as stack:
        rasters = RasterSet(parameters, stack, progress)
        defaults = serving_defaults_of(parameters.model_dir)
        parameters = with_serving_defaults(parameters, defaults, progress)
        settings = serve_settings(parameters, defaults)
        opened = open_model(settings, progress)
        from .runplan import plan_run  # these import TensorFlow, so not sooner
        from .servedrasters import ServedForms, ServedTiles
        from .tiledrun import TiledRun

        grid, placed = opened.geometry.grid, opened.sources[0].stack.reference
        box = wanted_box(parameters.out_box, parameters.extent, grid, placed)
        reference, forms = opened.reference(box), ServedForms(raster_settings(parameters), opened)
        memory = MemoryBudget.of(settings.memory, opened.sources)
        stack.enter_context(gdal_cache(memory.cache))
        progress.check()
        plan = plan_run(opened, box, forms.output, settings.tiling, memory, progress)
        run, made = TiledRun(opened, plan, forms.output), forms.forms(plan.bands)
        tiles = ServedTiles(made, rasters.open(made, plan.grid, reference))
        run.write(tiles, progress)
        rasters.commit()
    for told in [*run.told(), *tiles.told()]:
        progress.warning(told)
    if opened.masked:
        progress.info(
            Phrase("{without_data} of {area} output pixels are no-data.", without_data=run.without_data, area=box.area)
        )
    results = {**rasters.results, "width": box.width, "height": box.height, "pixels_nodata": run.without_data}
    return {**results, **forms.results(plan.bands)}
