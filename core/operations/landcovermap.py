"""LandCoverMap: from an image and labels to a trained network and a map, in one run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ParameterError
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.operation import NumberResult, Operation, TextResult
from ..parameters.sharedgroups import check_keras_out
from ..parameters.vectorsource import LayerSource

MODES = ("auto", "patches", "dense")
OF_PATCHES = ("cnn16", "cnn16_deep")
OF_TILES = ("unet", "fcnn")
"""The templates of each mode, the default first."""


@dataclass(frozen=True)
class LandCoverMap(Operation):
    """OTBTF has no such application."""

    TITLE = "Make a land cover map"
    GROUP = "training"
    DESCRIPTION = (
        "Learns from labels what each class looks like, and maps the whole image: chooses samples, holds some back "
        "for validation in other places, cuts patches, trains a network, applies it to the image and tells how good "
        "it is.\n\n"
        "Labels are a raster, or polygons, lines or points with a field that holds the class. Sparse labels train a "
        "network that looks at a patch around each pixel; dense ones, which cover much of the image, one that learns "
        "all pixels of a tile together. The steps are those of labelimagesampleselection or sampleselection, "
        "patchesextraction, tensorflowmodeltrain and tensorflowmodelserve, where each can be done by hand with all "
        "parameters."
    )
    RESULTS = (
        NumberResult("kappa", "Kappa of the validation"),
        NumberResult("overall_accuracy", "Overall accuracy of the validation"),
        NumberResult("f1_macro", "Mean F-score of the classes in the validation"),
        NumberResult("samples_training", "Number of patches or tiles for training"),
        NumberResult("samples_validation", "Number of patches or tiles for validation"),
        NumberResult("epochs_run", "Epochs that were trained"),
        TextResult("mode", "Mode that was taken"),
    )
    RUN = "workflows.landcovermapping:make_map"
    NEEDS_ENGINE = True

    image: tuple[Any, ...] = voc.rasters(
        "in", "Images", "Rasters on one grid; their bands are stacked in this order.", required=True
    )
    labels_raster: Any = voc.raster(
        "labels.raster",
        "Labels: raster",
        "A raster of one band with the number of the class where it is known; on another grid the nearest pixel counts.",
        required=False,
    )
    labels_vector: LayerSource | None = voc.vector(
        "labels.vector",
        "Labels: polygons, lines or points",
        "In place of a raster: features that have a class, in any coordinate system.",
        required=False,
    )
    labels_field: str | None = voc.attribute(
        "labels.field",
        "Labels: class field",
        "Field of the features that holds the class: whole numbers, as texts too, or names, which are numbered from 0 in "
        "alphabetical order.",
        of="labels.vector",
        required=False,
    )
    labels_nodata: float | None = voc.number(
        "labels.nodata",
        "Labels: ignored value",
        "Value of the label raster that is no class. Not given: the layer's own no-data value.",
    )
    mode: str = voc.choice(
        "mode",
        "Mode",
        "patches: the network learns the class of the pixel in the middle of a patch; for few or scattered labels. dense: "
        "it learns all labels of a tile together; for labels that cover much of the image. auto: as the template asks for, "
        "else dense where a label raster covers half of the image.",
        MODES,
    )
    template: str = voc.choice(
        "template",
        "Network",
        "cnn16 (small, fast) and cnn16_deep classify patches, unet (large) and fcnn (fast) tiles. auto: cnn16, or unet.",
        ("auto", *OF_PATCHES, *OF_TILES),
    )
    model_dir: str | None = voc.file(
        "model.dir",
        "Model to train on",
        "In place of a template: a .keras file, or the folder of a model that was trained here before. MODE and PATCHSIZE "
        "must suit it.",
        required=False,
        advanced=True,
        file_filter="Keras models (*.keras);;All files (*)",
    )
    samples: int = voc.integer(
        "samples",
        "Samples per class",
        "Patches of each class, those for validation among them; a class that has fewer labels gives all it has. Of dense "
        "labels: tiles altogether, at most.",
        default=1000,
        minimum=2,
    )
    patchsize: int | None = voc.integer(
        "patchsize",
        "Patch size",
        "Width and height of patches or tiles in pixels. Not given: 16 for patches, 64 for tiles. cnn16_deep takes any: "
        "small ones, such as 5, suit objects of few pixels. unet and fcnn take multiples of 16.",
        minimum=1,
    )
    epochs: int = voc.integer("epochs", "Epochs", "How often each sample is used.", default=50, minimum=1)
    batchsize: int | None = voc.integer(
        "batchsize", "Batch size", "Samples in a step. Not given: 64 patches, or 8 tiles.", minimum=1, advanced=True
    )
    validation_share: float = voc.number(
        "validation.share",
        "Validation share",
        "Share of the samples that is held back to tell how good the map is: those of whole features or parts of the "
        "image, none of which shares pixels with training. 0: none.",
        default=0.25,
        minimum=0,
        maximum=0.9,
    )
    seed: int = shared.seed("all that is drawn", default=0, maximum=shared.LARGEST_SEED, advanced=True)
    nodata: float | None = voc.number(
        "nodata",
        "No-data value",
        "Of the images (nan is possible). Not given: the layers' own.",
        advanced=True,
    )
    alpha: str = shared.alpha()
    legend: str = voc.text(
        "legend",
        "Class names and colours",
        'By label, as JSON: {"1": {"name": "water", "color": "#3060c0"}}. In QGIS those of the layer\'s style are taken '
        "where it is empty. They win over what the labels tell themselves.",
        advanced=True,
    )
    memory: int | None = shared.memory(
        "each step, beside what TensorFlow itself needs", "what each step takes by default"
    )
    device: str = shared.device()
    out: str = voc.raster_out("out", "Map", "The class of each pixel of the image, with names and colours.")
    model_saveto: str | None = voc.folder_out(
        "model.saveto",
        "Trained model",
        "Folder for the trained model as a SavedModel, to serve for other images.",
        required=False,
        created=True,
    )
    out_keras: str | None = shared.keras_out()
    out_report: str | None = shared.report(
        "A page with the course of the training, confusion matrix and scores per class."
    )
    keep: str | None = voc.folder_out(
        "keep",
        "Keep the steps in",
        "Folder for the points, patches, labels and history, to look at them or to train on by hand. Not given: they are "
        "removed.",
        required=False,
        advanced=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_labels()
        self._check_model()
        check_keras_out(self.out_keras)

    def _check_labels(self) -> None:
        if (self.labels_raster is None) == (self.labels_vector is None):
            both = "both given: choose one of them" if self.labels_vector else "missing: give one of them"
            raise ParameterError(f"LABELS_RASTER and LABELS_VECTOR are {both}.")
        if self.labels_vector and not self.labels_field:
            raise ParameterError("LABELS_FIELD is missing: name the field of LABELS_VECTOR that holds the class.")
        if self.labels_raster is not None and self.labels_field:
            raise ParameterError(f"LABELS_FIELD is {self.labels_field}, but LABELS_RASTER has no fields: leave it out.")
        if self.labels_vector and self.labels_nodata is not None:
            raise ParameterError("LABELS_NODATA is given, but is for LABELS_RASTER: leave it out.")

    def _check_model(self) -> None:
        if self.model_dir and self.template != "auto":
            raise ParameterError(
                f"TEMPLATE is {self.template}, but MODEL_DIR is given too: set TEMPLATE to auto, or leave MODEL_DIR out."
            )
        if self.model_dir and not Path(self.model_dir).exists():
            raise ParameterError(f"MODEL_DIR is {self.model_dir}, which does not exist.")
        other = {"patches": OF_TILES, "dense": OF_PATCHES}.get(self.mode, ())
        if self.template in other:
            fitting = OF_PATCHES if self.mode == "patches" else OF_TILES
            raise ParameterError(
                f"TEMPLATE is {self.template}, but MODE is {self.mode}: choose {' or '.join(fitting)}, or set MODE to auto."
            )
