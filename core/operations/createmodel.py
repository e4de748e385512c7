"""CreateModel: an untrained model from a template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError, field
from ..parameters import sections
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.detectionmaps import STRIDES
from ..parameters.fillings import FilledSources
from ..parameters.operation import Group, NumberResult, Operation, TextResult
from ..parameters.sharedgroups import check_keras_out
from ..parameters.templatenames import NAMES, TEMPLATES

DAYS_OF_A_YEAR = 365.25
FACTORS = (2, 4)
WEIGHTS = ("none", "imagenet", "file")

NORMALIZATIONS = ("none", "scale", "maximum", "standard")
"""The words of NORMALIZATION."""


def missing_bands(template: str) -> ParameterError:
    """Return the error for a template of which nothing says how many bands its sources have."""
    return ParameterError(
        "{bands} is missing: give the number of bands of each source of the template {template}, or images in {il}, ...",
        bands=field("bands"),
        template=template,
        il=field("il", of="sources", number=1),
    )


@dataclass(frozen=True)
class ModelSource:
    """Images like those that will feed one source of the model."""

    il: tuple[Any, ...] = voc.rasters(
        "il",
        "Images",
        "Patches images, or rasters on one grid, like those that will feed this source of the model; their bands are "
        "stacked. They give the number of bands and, if needed, the statistics (for patches, those in the JSON "
        "beside them).",
    )


@dataclass(frozen=True)
class _Network(Group):
    template: str = voc.choice(
        "template",
        "Template",
        "Network template; the description explains the use of each.",
        NAMES,
        section=sections.MODEL,
    )
    sources: tuple[ModelSource, ...] = voc.numbered(ModelSource, shared.LISTED_SOURCES)
    bands: str = voc.text(
        "bands",
        "Bands",
        "Number of bands of each source, separated by spaces, such as 4, or 1 4. Default: those of the images of the "
        "sources.",
        section=sections.IMAGES,
    )
    classes: int | None = voc.integer(
        "classes",
        "Classes",
        "Number of classes, or of output bands (mlp). For backbones: adds a classifier with this number of classes. "
        "Default: the classes named in the JSON beside the patches; 1 for mlp.",
        minimum=1,
        section=sections.NETWORK,
    )
    normalization: str = voc.choice(
        "normalization",
        "Normalization",
        "Scaling of the pixels in the model. none: no scaling. scale: multiply by SCALE. maximum: divide each band "
        "by its maximum. standard: scale each band to mean 0 and standard deviation 1. The last two use the "
        "statistics of the images.",
        NORMALIZATIONS,
        section=sections.NETWORK,
    )
    scale: float = voc.number(
        "scale",
        "Scale factor",
        "For NORMALIZATION=scale; 0.0001 suits reflectances stored times 10000.",
        default=0.0001,
        section=sections.NETWORK,
        advanced=True,
    )
    width: int | None = shared.network_width()
    depth: int | None = shared.network_depth()
    factor: int | None = voc.integer(
        "factor",
        "Resolution factor",
        f"For super_resolution: output pixels per input pixel along each side, {' or '.join(map(str, FACTORS))}. "
        "Default: 2.",
        minimum=2,
        maximum=4,
        section=sections.NETWORK,
        advanced=True,
    )
    stride: int | None = voc.integer(
        "stride",
        "Cell size (pixels)",
        f"For detector: width and height, in pixels, of the cells of its maps, {', '.join(map(str, STRIDES[:-1]))} or "
        f"{STRIDES[-1]}. A cell tells one object only. Default: 4.",
        minimum=min(STRIDES),
        maximum=max(STRIDES),
        section=sections.NETWORK,
        advanced=True,
    )
    expression: str = voc.text(
        "expression",
        "Expression",
        "For band_arithmetic: expression in the language of BandMathX. im1 is the first image, im1b2 its second "
        "band, im1b2Mini, Maxi, Mean, Sum and Var are its statistics; a semicolon separates results.",
        section=sections.NETWORK,
    )


@dataclass(frozen=True)
class _Details(Group):
    period: float | None = voc.number(
        "period",
        "Period (days)",
        f"For harmonic: period of the longest wave, in days. Default: a year, {DAYS_OF_A_YEAR}.",
        advanced=True,
        section=sections.NETWORK,
    )
    harmonics: int | None = voc.integer(
        "harmonics",
        "Harmonics",
        "For harmonic: number of waves; the second has half the period of the first, and so on. Default: 2.",
        minimum=0,
        maximum=20,
        advanced=True,
        section=sections.NETWORK,
    )
    weights: str = voc.choice(
        "weights",
        "Weights",
        "For backbones: none (random weights), imagenet (trained on photographs, downloaded by Keras), or file. The "
        "first convolution is adapted to the number of bands. Use NORMALIZATION=standard with trained weights.",
        WEIGHTS,
        section=sections.NETWORK,
    )
    weights_file: str | None = voc.file(
        "weights.file",
        "Weights file",
        "For WEIGHTS=file: weights of the same network without its classifier.",
        required=False,
        file_filter="Weights (*.h5);;All files (*)",
        section=sections.NETWORK,
        advanced=True,
    )
    layer: str = voc.text(
        "layer",
        "Feature layer",
        "For backbones: name of the layer whose output holds the features. Default: the last layer.",
        advanced=True,
        section=sections.NETWORK,
    )
    image_pooling: bool = voc.boolean(
        "image.pooling",
        "Image pooling",
        "For deeplabv3plus. On: the mean of the whole image is one of the features of each pixel. The network is then served "
        "in windows of the size of its training patches. Off: the network is fully convolutional.",
        advanced=True,
        section=sections.NETWORK,
    )
    patchsize: int | None = voc.integer(
        "patchsize",
        "Patch size",
        "Fixed width and height of the patches, in pixels. For backbones: the features are averaged over the patch; "
        "default: any size, with features for each part of the image. For time_series_vhr: patches of its second "
        "source; default: 25. For cnn16_deep: receptive field; default: 16.",
        minimum=1,
        advanced=True,
        section=sections.NETWORK,
    )
    nodata: float | None = shared.nodata(
        "Value of missing data, which does not count in statistics and which NODATA_FILL replaces; nan is always missing.",
        advanced=True,
    )
    nodata_from_layer: bool = shared.nodata_from_layer()
    alpha: str = shared.alpha()
    seed: int | None = shared.seed(
        otherwise=shared.DRAWN,
        maximum=shared.LARGEST_32_BIT_SEED,
        advanced=True,
        section=sections.NETWORK,
    )


@dataclass(frozen=True)
class _Outputs(Group):
    out_keras: str | None = voc.file_out(
        "out.keras",
        "Model as .keras file",
        "The model as one file, to train or to serve it, with its sidecar beside it.",
        file_filter="Keras models (*.keras)",
        created=True,
        kept_as="untrained_model.keras",
    )
    out_savedmodel: str | None = voc.folder_out(
        "out.savedmodel",
        "Model as SavedModel",
        "The model as the folder of a SavedModel, with its sidecar in it. It replaces an older SavedModel.",
        required=False,
    )


@dataclass(frozen=True)
class CreateModel(Operation, _Outputs, _Details, FilledSources, _Network):
    """OTBTF has no such application."""

    TITLE = "Create an untrained model from a template"
    GROUP = "models"
    DESCRIPTION = (
        "Creates an untrained model from a template, as a .keras file and as a SavedModel, to train with "
        "otbtf:trainmodel; formulas can be served without training. Its inputs have the names source1, "
        "source2, ...; the output of a classifier is predictions, computed from the layer features.\n\n"
        "Choose the patches for its training, or set the number of bands of each source."
    )
    RESULTS = (
        NumberResult("parameters", "Number of weights"),
        TextResult("verdict", "How the model is applied"),
        TextResult("geometry", "Parameters for serving"),
        TextResult("inputs", "Names of the inputs"),
        TextResult("outputs", "Names of the outputs"),
        TextResult("loss", "Suitable loss"),
    )
    RUN = "templates.modelcreation:create_model"
    CHECK = "imagetools.expressionchecks:check_formula"
    NEEDS_ENGINE = True

    dates: str = voc.text(
        "dates",
        "Dates",
        "For harmonic: date of each band, such as 2015-07-11, separated by spaces, or the path of a JSON or text file that lists "
        "them, or of a STAC item or item collection. For time_series_vhr: the same, or the number of dates; its bands are stored "
        "date by date. For time series: the same, separated by semicolons for several sources. Default: the dates in the names "
        "of the bands or files of the images; if they hold none, and for time_series_vhr, one date per band.",
        section=sections.NETWORK,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.out_keras and not self.out_savedmodel:
            raise ParameterError(
                "{out_keras} and {out_savedmodel} are missing: choose a file or folder for at least one of them.",
                out_keras=field("out_keras"),
                out_savedmodel=field("out_savedmodel"),
            )
        check_keras_out(self.out_keras)
        if self.normalization == "scale" and not 0 < self.scale < float("inf"):
            raise ParameterError("{scale} is {scale2:g}, but must be above 0.", scale=field("scale"), scale2=self.scale)
        lacking = [number for number, source in enumerate(self.sources, 1) if not source.il]
        if lacking:
            raise ParameterError(
                "{il} is missing: choose the images of this source.", il=field("il", of="sources", number=lacking[0])
            )
        if not self.sources and not self.bands.strip():
            raise missing_bands(self.template)
        number = len(TEMPLATES[self.template].inputs)
        if number and len(self.sources) > number:
            raise ParameterError(
                "{il} is given, but the template {template} has only {number} source{s}: remove it.",
                il=field("il", of="sources", number=number + 1),
                template=self.template,
                number=number,
                s="s" if number > 1 else "",
            )
