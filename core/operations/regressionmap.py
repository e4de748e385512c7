"""RegressionMap: a trained network and a map of a quantity from an image and known values, in one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError, field
from ..parameters import sections
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.averaging import positions
from ..parameters.fillings import MappedFilling
from ..parameters.maskgroup import Masked
from ..parameters.nodatarules import MappedRule
from ..parameters.operation import Group, NumberResult, Operation, TextResult
from ..parameters.scenetable import MappedScenes, SceneColumns, scenes
from ..parameters.sharedgroups import check_keras_out
from ..parameters.templatedescription import REGRESSION
from ..parameters.templatenames import TEMPLATES
from ..parameters.vectorsource import LayerSource

OF_PIXELS = tuple(name for name, template in TEMPLATES.items() if template.task == REGRESSION and template.outputs == 1)
"""The templates that estimate one quantity for each pixel, the default first."""


@dataclass(frozen=True)
class _Inputs(Group):
    image: tuple[Any, ...] = voc.rasters(
        "in", "Images", "Rasters on one grid; their bands are stacked in this order.", required=True
    )
    values_raster: Any = voc.raster(
        "values.raster",
        "Values: raster",
        "Raster of one band with the quantity where it is known. If it has another grid, the nearest pixel is used.",
        required=False,
        section=sections.LABELS,
    )
    values_vector: LayerSource | None = voc.vector(
        "values.vector",
        "Values: points",
        "Points with the quantity, in any coordinate system, instead of a raster.",
        required=False,
        section=sections.LABELS,
    )
    values_field: str | None = voc.attribute(
        "values.field",
        "Values: number field",
        "Field with the quantity. Points without a number are left out.",
        of="values.vector",
        required=False,
        section=sections.LABELS,
    )
    values_nodata: float | None = voc.number(
        "values.nodata",
        "Values: no-data value",
        "Value of the raster that is no quantity. Default: the layer's own no-data value.",
        section=sections.LABELS,
        advanced=True,
    )
    template: str = voc.choice(
        "template",
        "Network",
        "mlp: estimates each pixel from its bands.",
        OF_PIXELS,
        section=sections.NETWORK,
        advanced=True,
    )
    samples: int = voc.integer(
        "samples",
        "Samples",
        "Number of pixels with a known value to use, including those for validation. Fewer are all used.",
        default=5000,
        minimum=8,
        section=sections.SAMPLES,
    )
    epochs: int = voc.integer(
        "epochs",
        "Epochs",
        "Number of times that each sample is used.",
        default=200,
        minimum=1,
        section=sections.TRAINING,
    )
    batchsize: int = voc.integer(
        "batchsize",
        "Batch size",
        "Number of samples per step.",
        default=64,
        minimum=1,
        advanced=True,
        section=sections.TRAINING,
    )
    validation_share: float = voc.number(
        "validation.share",
        "Validation share",
        "Share of the samples held back for validation, in whole blocks of the image. 0: none.",
        default=0.25,
        minimum=0,
        maximum=0.9,
        section=sections.VALIDATION,
        advanced=True,
    )
    validation_blocksize: int | None = voc.integer(
        "validation.blocksize",
        "Validation block size",
        "Side of the blocks, in pixels. 1 holds single pixels back, whose neighbours are for training: the errors are then "
        "those between known places, not those elsewhere. Default: an eighth of the image's longer side.",
        minimum=1,
        advanced=True,
        section=sections.VALIDATION,
    )
    baseline: bool = shared.baseline("pixels", "errors")
    seed: int = shared.seed(default=0, maximum=shared.LARGEST_SEED, advanced=True, section=sections.TRAINING)
    nodata: float | None = voc.number(
        "nodata",
        "No-data value",
        "Value of missing data in the images (nan is possible). Default: the layers' own; NaN is always missing.",
        advanced=True,
        section=sections.NODATA,
    )
    alpha: str = shared.alpha()


_SCENES = SceneColumns(
    "in",
    ("values.raster", "values.vector", "values.field", "values.nodata", "mask", "mask.vector"),
    ({"values.raster": ("values.nodata",), "values.vector": ("values.field",)}, {"mask": (), "mask.vector": ()}),
    ("out",),
)


@dataclass(frozen=True)
class _Scenes(MappedScenes):
    scenes: str | None = scenes(
        _SCENES,
        "to learn from and to map",
        "Each scene has the same share of SAMPLES, as far as it has them. Its map is the out of its row, or else "
        "OUT with the scene's name (map_north.tif).",
    )


@dataclass(frozen=True)
class _Outputs(Group):
    memory: int | None = shared.memory("each step", "that of each step", shared.BESIDE_TENSORFLOW)
    device: str = shared.device()
    augment_serve: str = positions(sections.NETWORK)
    out: str = voc.raster_out("out", "Map", "The estimated quantity of each pixel, in the unit of the values (float).")
    model_saveto: str | None = voc.folder_out(
        "model.saveto",
        "Trained model",
        "Folder for the trained model as a SavedModel, to serve it on other images.",
        required=False,
        created=True,
        kept_as="quantity_model",
    )
    out_keras: str | None = shared.keras_out()
    out_report: str | None = shared.report("HTML page with the errors, a scatter plot, and the errors over space.")
    keep: str | None = voc.folder_out(
        "keep",
        "Folder for intermediate files",
        "Folder for the points, patches, values and history, to check them or to train with other parameters. "
        "Default: they are removed.",
        required=False,
        advanced=True,
    )


@dataclass(frozen=True)
class RegressionMap(Operation, _Outputs, MappedRule, MappedFilling, _Scenes, Masked, _Inputs):
    """OTBTF has no such application."""

    TITLE = "Map a quantity"
    GROUP = "start"
    DESCRIPTION = (
        "Trains a network on known values of a quantity, such as biomass, elevation or soil moisture, and estimates it for "
        "each pixel of the image: chooses pixels, holds some back for validation in other places, trains a network, "
        "applies it to the image, and reports the errors. Missing values, such as clouds in a time series, are filled in the "
        "network.\n\n"
        "Values are points with a number field, or a raster. The report compares the map with the values that were held "
        "back: errors, bias, a scatter plot, and where the map is too high or too low. Values that lie near each other are "
        "alike, so validation is on blocks of the image; the smaller the blocks, the better a map looks."
    )
    RESULTS = (
        NumberResult("rmse", "Root mean square error of the validation, in the unit of the values"),
        NumberResult("mae", "Mean absolute error of the validation, in the unit of the values"),
        NumberResult("bias", "Mean of the map minus the values of the validation"),
        NumberResult("r2", "Coefficient of determination of the validation"),
        NumberResult("baseline_r2", "Coefficient of determination of the random forest"),
        NumberResult("samples_training", "Number of pixels for training"),
        NumberResult("samples_validation", "Number of pixels for validation"),
        NumberResult("epochs_run", "Number of epochs trained"),
        NumberResult("pixels_nodata", "Number of no-data pixels in the map"),
        TextResult("maps", "Maps of several scenes (JSON)"),
    )
    RUN = "workflows.regressionmapping:make_map"
    NEEDS_ENGINE = True
    SCENE_COLUMNS = _SCENES

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.values_raster is None and self.values_vector is None:
            raise ParameterError(
                "{values_raster} and {values_vector} are missing: choose one of them.",
                values_raster=field("values_raster"),
                values_vector=field("values_vector"),
            )
        if self.values_raster is not None and self.values_vector is not None:
            raise ParameterError(
                "{values_raster} and {values_vector} are both given: keep one of them.",
                values_raster=field("values_raster"),
                values_vector=field("values_vector"),
            )
        if self.values_vector and not self.values_field:
            raise ParameterError(
                "{values_field} is missing: choose the field of {values_vector} with the quantity.",
                values_field=field("values_field"),
                values_vector=field("values_vector"),
            )
        if self.values_raster is not None and self.values_field:
            raise ParameterError(
                "{values_field} is {values_field2}, but applies only to {values_vector}: remove it.",
                values_field=field("values_field"),
                values_field2=self.values_field,
                values_vector=field("values_vector"),
            )
        if self.values_vector and self.values_nodata is not None:
            raise ParameterError(
                "{values_nodata} is {values_nodata2:g}, but applies only to {values_raster}: remove it.",
                values_nodata=field("values_nodata"),
                values_nodata2=self.values_nodata,
                values_raster=field("values_raster"),
            )
        check_keras_out(self.out_keras)
