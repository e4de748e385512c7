"""LandCoverMap: a trained network and a map from an image and labels, in one run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ParameterError, field
from ..parameters import sections
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.averaging import positions
from ..parameters.certaintyoutputs import CertaintyOutputs
from ..parameters.fillings import MappedFilling
from ..parameters.maskgroup import Masked
from ..parameters.nodatarules import MappedRule, PatchRule, nodata_pixels
from ..parameters.operation import Group, NumberResult, Operation, TextResult
from ..parameters.scenetable import MappedScenes, SceneColumns, scenes
from ..parameters.sharedgroups import check_keras_out
from ..parameters.traininggroups import CALIBRATION_RESULTS
from ..parameters.vectorsource import LayerSource
from ..phrases import Phrase

MODES = ("auto", "patches", "dense")
OF_PATCHES = ("cnn16", "cnn16_deep")
OF_PIXELS = ("tempcnn", "gru", "ltae", "time_series_transformer")
OF_TILES = ("unet", "fcnn", "deeplabv3plus", "segformer_b0", "utae")
"""The templates of each mode, the default first; those of pixels are for the mode of patches, which are one pixel then."""


@dataclass(frozen=True)
class _Inputs(Group):
    image: tuple[Any, ...] = voc.rasters(
        "in", "Images", "Rasters on one grid; their bands are stacked in this order.", required=True
    )
    labels_raster: Any = voc.raster(
        "labels.raster",
        "Labels: raster",
        "Raster of one band with the number of the class of each known pixel. If it has another grid, the nearest "
        "pixel is used.",
        required=False,
        section=sections.LABELS,
    )
    labels_vector: LayerSource | None = voc.vector(
        "labels.vector",
        "Labels: polygons, lines or points",
        "Features with a class, in any coordinate system, instead of a raster.",
        required=False,
    )
    labels_field: str | None = shared.class_field(
        "labels.field", of="labels.vector", label="Labels: class field", required=False
    )
    labels_nodata: float | None = voc.number(
        "labels.nodata",
        "Labels: ignored value",
        "Value of the label raster that is not a class. Default: the layer's own no-data value.",
        section=sections.LABELS,
        advanced=True,
    )
    mode: str = voc.choice(
        "mode",
        "Mode",
        "patches: the network learns the class of the pixel in the middle of a patch, for few or scattered labels. "
        "dense: it learns all labels of a tile, for labels that cover much of the image. auto: the mode of the "
        "template, otherwise dense if a label raster covers half of the image, else patches.",
        MODES,
        section=sections.NETWORK,
        advanced=True,
    )
    template: str = voc.choice(
        "template",
        "Network",
        "cnn16 (small, fast) and cnn16_deep classify patches; unet (large), fcnn (fast), deeplabv3plus and segformer_b0 (both "
        "with a wide context) classify tiles. For time series: tempcnn (fast), gru, ltae and time_series_transformer classify "
        "each pixel from its dates, utae tiles. auto: cnn16, or unet.",
        ("auto", *OF_PATCHES, *OF_PIXELS, *OF_TILES),
        section=sections.NETWORK,
    )
    model_dir: str | None = voc.file(
        "model.dir",
        "Model to train further",
        "A .keras file, or the folder of a model that this plugin has trained, instead of a template. MODE and "
        "PATCHSIZE must suit it.",
        required=False,
        advanced=True,
        file_filter="Keras models (*.keras);;All files (*)",
        section=sections.NETWORK,
    )
    samples: int = voc.integer(
        "samples",
        "Samples per class",
        "Number of patches per class, including validation patches. A class with fewer labels uses all of them. For "
        "dense labels: the maximum number of tiles.",
        default=1000,
        minimum=2,
        section=sections.SAMPLES,
    )
    patchsize: int | None = voc.integer(
        "patchsize",
        "Patch size",
        "Width and height of patches or tiles, in pixels. Default: 16 for patches, 64 for tiles, 1 for networks that classify "
        "each pixel from its dates. cnn16_deep accepts any size: small ones, such as 5, suit small objects. unet, fcnn "
        "and deeplabv3plus need multiples of 16, segformer_b0 of 32, utae of 8.",
        minimum=1,
        section=sections.NETWORK,
        advanced=True,
    )
    epochs: int = voc.integer(
        "epochs",
        "Epochs",
        "Number of times that each sample is used.",
        default=50,
        minimum=1,
        section=sections.TRAINING,
    )
    batchsize: int | None = voc.integer(
        "batchsize",
        "Batch size",
        "Number of samples per step. Default: 64 patches, or 8 tiles.",
        minimum=1,
        advanced=True,
        section=sections.TRAINING,
    )
    validation_share: float = voc.number(
        "validation.share",
        "Validation share",
        "Share of the samples held back for validation. Whole features or parts of the image are held back; none "
        "shares pixels with the training samples. 0: none.",
        default=0.25,
        minimum=0,
        maximum=0.9,
        section=sections.VALIDATION,
        advanced=True,
    )
    calibrate: bool = shared.calibrate()
    baseline: bool = shared.baseline("samples (of patches the middle pixel, of tiles all labelled ones)", "scores")
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
    ("labels.raster", "labels.vector", "labels.field", "labels.nodata", "mask", "mask.vector"),
    ({"labels.raster": ("labels.nodata",), "labels.vector": ("labels.field",)}, {"mask": (), "mask.vector": ()}),
    ("out", "out.confidence", "out.entropy", "out.margin", "out.probabilities", "out.polygons"),
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
class _NoData(MappedRule, PatchRule):
    nodata_pixels: float | None = nodata_pixels(
        "Largest share of no-data pixels in a patch for training, and below a pixel of the map",
        "0 for training; in the map, only pixels without any data are no-data",
    )


@dataclass(frozen=True)
class _Outputs(Group):
    legend: str = voc.text(
        "legend",
        "Class names and colours",
        'Names and colours by label, as JSON: {"1": {"name": "water", "color": "#3060c0"}}. They override those of '
        "the labels. Default in QGIS: those of the layer's style.",
        advanced=True,
        section=sections.LABELS,
    )
    memory: int | None = shared.memory("each step", "that of each step", shared.BESIDE_TENSORFLOW)
    device: str = shared.device()
    augment_serve: str = positions(sections.NETWORK)
    out: str = voc.raster_out("out", "Map", "The class of each pixel of the image, with names and colours.")
    out_polygons: str | None = voc.vector_out(
        "out.polygons",
        "Polygons",
        "The map as polygons with class, name, area and perimeter, as otbtf:maptopolygons makes them; with OUT_CONFIDENCE, also "
        "their mean probability.",
        required=False,
        geometry="polygon",
        advanced=True,
    )
    model_saveto: str | None = voc.folder_out(
        "model.saveto",
        "Trained model",
        "Folder for the trained model as a SavedModel, to serve it on other images.",
        required=False,
        created=True,
        kept_as="land_cover_model",
    )
    out_keras: str | None = shared.keras_out()
    out_report: str | None = shared.report("HTML page with the training curves, confusion matrix and scores per class.")
    keep: str | None = voc.folder_out(
        "keep",
        "Folder for intermediate files",
        "Folder for the points, patches, labels and history, to check them or to train with other parameters. "
        "Default: they are removed.",
        required=False,
        advanced=True,
    )


@dataclass(frozen=True)
class LandCoverMap(Operation, CertaintyOutputs, _Outputs, _NoData, MappedFilling, _Scenes, Masked, _Inputs):
    """OTBTF has no such application."""

    TITLE = "Make a land cover map"
    GROUP = "start"
    DESCRIPTION = (
        "Trains a network on labels and maps the whole image: selects samples, holds some back for validation in "
        "other places, cuts patches, trains a network, applies it to the image and reports the accuracy.\n\n"
        "Labels are a raster, or polygons, lines or points with a class field. Sparse labels train a network that "
        "classifies the pixel in the middle of a patch; dense labels, which cover much of the image, train a network "
        "that classifies all pixels of a tile. Networks for time series learn from the dates of each pixel; missing values, such "
        "as clouds, are filled in the network. The steps are also available, with all parameters, as the algorithms "
        "otbtf:labelimagesampleselection or otbtf:sampleselection, otbtf:patchesextraction, otbtf:tensorflowmodeltrain and "
        "otbtf:tensorflowmodelserve."
    )
    RESULTS = (
        NumberResult("kappa", "Kappa of the validation"),
        NumberResult("overall_accuracy", "Overall accuracy of the validation"),
        NumberResult("f1_macro", "Mean F-score of the classes in the validation"),
        *CALIBRATION_RESULTS,
        NumberResult("baseline_kappa", "Kappa of the random forest"),
        NumberResult("samples_training", "Number of patches or tiles for training"),
        NumberResult("samples_validation", "Number of patches or tiles for validation"),
        NumberResult("epochs_run", "Number of epochs trained"),
        NumberResult("pixels_nodata", "Number of no-data pixels in the map"),
        TextResult("mode", "Mode used"),
        TextResult("maps", "Maps of several scenes (JSON)"),
    )
    RUN = "workflows.landcovermapping:make_map"
    NEEDS_ENGINE = True
    SCENE_COLUMNS = _SCENES

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_labels()
        self._check_model()
        check_keras_out(self.out_keras)

    def _check_labels(self) -> None:
        labels = {"labels_raster": field("labels_raster"), "labels_vector": field("labels_vector")}
        if self.labels_raster is None and self.labels_vector is None:
            raise ParameterError("{labels_raster} and {labels_vector} are missing: choose one of them.", **labels)
        if self.labels_raster is not None and self.labels_vector is not None:
            raise ParameterError("{labels_raster} and {labels_vector} are both given: keep one of them.", **labels)
        if self.labels_vector and not self.labels_field:
            raise ParameterError(
                "{labels_field} is missing: choose the field of {labels_vector} with the class.",
                labels_field=field("labels_field"),
                labels_vector=field("labels_vector"),
            )
        if self.labels_raster is not None and self.labels_field:
            raise ParameterError(
                "{labels_field} is {labels_field2}, but applies only to {labels_vector}: remove it.",
                labels_field=field("labels_field"),
                labels_field2=self.labels_field,
                labels_vector=field("labels_vector"),
            )
        if self.labels_vector and self.labels_nodata is not None:
            raise ParameterError(
                "{labels_nodata} is {labels_nodata2:g}, but applies only to {labels_raster}: remove it.",
                labels_nodata=field("labels_nodata"),
                labels_nodata2=self.labels_nodata,
                labels_raster=field("labels_raster"),
            )

    def _check_model(self) -> None:
        if self.model_dir and self.template != "auto":
            raise ParameterError(
                "{template} is {template2}, but {model_dir} is given too: set {template} to auto, or remove "
                "{model_dir}.",
                template=field("template"),
                template2=self.template,
                model_dir=field("model_dir"),
            )
        if self.model_dir and self.tells:
            raise ParameterError(
                "{model_dir} is given, a model that fills missing values as it was made to: leave out {nodata_fill}, "
                "{nodata_fill_mask}, {dates}, {dates_order} and {step}.",
                model_dir=field("model_dir"),
                nodata_fill=field("nodata_fill"),
                nodata_fill_mask=field("nodata_fill_mask"),
                dates=field("dates"),
                dates_order=field("dates_order"),
                step=field("step"),
            )
        if self.model_dir and not Path(self.model_dir).exists():
            raise ParameterError(
                "{model_dir} is {model_dir2}, which does not exist: choose another file or folder.",
                model_dir=field("model_dir"),
                model_dir2=self.model_dir,
            )
        of_patches = (*OF_PATCHES, *OF_PIXELS)
        other = {"patches": OF_TILES, "dense": of_patches}.get(self.mode, ())
        if self.template in other:
            fitting = of_patches if self.mode == "patches" else OF_TILES
            raise ParameterError(
                "{template} is {template2}, but {mode} is {mode2}: choose {fitting}, or set {mode} to auto.",
                template=field("template"),
                template2=self.template,
                mode=field("mode"),
                mode2=self.mode,
                fitting=Phrase(" or ").join(fitting),
            )
