"""Settings of each step of a run, from the parameters of an operation; the steps do not know the operation."""

from __future__ import annotations

from ..geometry.fields import as_scale
from ..models.servingdefaults import ServingDefaults
from ..operations.tensorflowmodelserve import TensorflowModelServe
from ..parameters.averaging import Averaging
from ..parameters.certaintyoutputs import asked_certainty
from ..parameters.maskgroup import Masked
from ..parameters.nodatarules import WITHOUT_BANDS, rule_of
from ..parameters.servedmodel import ServedModel
from ..probing.usersettings import AxisSettings, GeometrySettings, ModelSettings, SourceSettings, SourcesSettings
from .servesettings import RasterSettings, ServeSettings, TilingSettings


def serve_settings(
    parameters: ServedModel, defaults: ServingDefaults | None = None, preferred: str = ""
) -> ServeSettings:
    """Return the settings of a run.

    Args:
        parameters: as `with_serving_defaults` returns them.
        defaults, preferred: see `ServeSettings`.
    """
    sources = tuple(SourceSettings(source.il, source.placeholder, source.nodata) for source in parameters.sources)
    return ServeSettings(
        SourcesSettings(sources, parameters.nodata_from_layer, parameters.alpha, rule_of(parameters, WITHOUT_BANDS)),
        ModelSettings(
            parameters.model_dir,
            parameters.model_tagsets,
            parameters.trust_model,
            parameters.device,
            parameters.model_userplaceholders,
            parameters.output_names,
        ),
        _geometry(parameters),
        # Without padding no output that is kept depends on what lies beyond the image, but margins of tiles reach there.
        "reflect" if parameters.padding in ("auto", "none") else parameters.padding,
        TilingSettings(parameters.optim_disabletiling, parameters.optim_tilesizex, parameters.optim_tilesizey),
        parameters.memory or parameters.ram,
        defaults,
        preferred,
        parameters.images_scaling,
        parameters.images_pixelsize,
        asked_certainty(parameters),
        context=parameters.model_context or None,
        mask=parameters if isinstance(parameters, Masked) else Masked(),
        averaging=parameters if isinstance(parameters, Averaging) else Averaging(),
    )


def raster_settings(parameters: TensorflowModelServe) -> RasterSettings:
    """Return what the rasters of a run are to be; `parameters` are as `with_serving_defaults` returns them."""
    return RasterSettings(
        parameters.out_pixeltype, parameters.output_bv or 0.0, parameters.out_nodata, asked_certainty(parameters)
    )


def _geometry(parameters: ServedModel) -> GeometrySettings:
    scale = None if parameters.output_spcscale is None else as_scale(parameters.output_spcscale)
    padded = parameters.padding not in ("auto", "none")
    x = tuple(source.rfieldx for source in parameters.sources)
    y = tuple(source.rfieldy for source in parameters.sources)
    return GeometrySettings(
        parameters.model_fullyconv,
        AxisSettings("x", x, parameters.output_efieldx, scale, padded),
        AxisSettings("y", y, parameters.output_efieldy, scale, padded),
    )
