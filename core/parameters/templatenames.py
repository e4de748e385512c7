"""The templates: use, sources, geometry and origin of each.

Nothing of TensorFlow is imported, so that dialogs and help pages can be made from it.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from ..errors import ParameterError, field
from ..phrases import Phrase
from .templatedescription import CLASSIFICATION, DETECTION, FEATURES, FIXED, REGRESSION, Geometry, Template

DETECTOR = "detector"
"""Name of the template that finds objects."""

_CROSS_ENTROPY, _ABSOLUTE, _SQUARED = "sparse_categorical_crossentropy", "mean_absolute_error", "mean_squared_error"
TANIMOTO = "tanimoto"
"""The loss of shares between 0 and 1."""

_TUTORIAL = "network of the OTBTF tutorial (R. Cresson, Deep Learning for Remote Sensing Images, CRC Press 2020)"
_PIXELWISE = "pixel-wise"
_BACKBONE_OPTIONS = ("classes", "weights", "weights_file", "layer", "patch")
_BACKBONE_TRAINING = (
    "with CLASSES: patches of PATCHSIZE with a label for each; otherwise none, its features feed a classifier"
)
_WHOLE = "whole image only"
_FAR = "Its later layers have a receptive field of the whole image, or nearly: set PATCHSIZE, or select an early LAYER."
_FILLED_OPTIONS = ("fill", "fill_value", "mask", "means", "nodata")
_DATED_OPTIONS = (*_FILLED_OPTIONS, "times", "order", "step", "band_names")


def _series(name: str, use: str, origin: str, width: int, depth: int | None = None, remark: str = "") -> Template:
    """A classifier of the time series of each pixel."""
    return Template(
        name,
        use,
        (),
        origin,
        CLASSIFICATION,
        Geometry((1,), 1, verdict=_PIXELWISE),
        "patches of any size, such as 1 x 1, with label patches of the same size",
        _CROSS_ENTROPY,
        width=width,
        depth=depth,
        options=_DATED_OPTIONS,
        series=True,
        remark=" ".join(part for part in (_FILLED, remark) if part),
    )


_FILLED = (
    "Gaps are filled inside the model, linearly along the dates. Several sources, such as optical and radar images on one "
    "grid, are series with dates of their own."
)

_TEMPLATES = (
    Template(
        "cnn16",
        "Classifies the pixel in the middle of a patch.",
        ("image",),
        f"the first {_TUTORIAL}",
        CLASSIFICATION,
        Geometry((16,), 1, Fraction(4)),
        "patches of 16 x 16, a label for each",
        _CROSS_ENTROPY,
        width=16,
        options=_DATED_OPTIONS,
        remark="With MODEL_FULLYCONV=off and OUTPUT_SPCSCALE=1, serving returns a map with the pixels of the image.",
    ),
    Template(
        "cnn16_deep",
        "As cnn16, but with convolutions only, so that a whole region gives one output per pixel in one step.",
        ("image",),
        f"the second {_TUTORIAL}, its convolution of 5 x 5 as two of 3 x 3",
        CLASSIFICATION,
        Geometry((16,), 1),
        "patches of PATCHSIZE (16 x 16), a label for each",
        _CROSS_ENTROPY,
        width=16,
        patch=16,
        options=("patch", *_DATED_OPTIONS),
        remark="Small patches, such as 5 x 5, suit objects of few pixels.",
    ),
    Template(
        "fcnn",
        "Classifies every pixel: four strided convolutions down and four up, joined by sums.",
        ("image",),
        "the U-Net-like network of the tutorial of OTBTF's Python API",
        CLASSIFICATION,
        Geometry((16,), 16),
        "tiles whose sides are multiples of 16, such as 64 x 64, with label tiles of the same size",
        _CROSS_ENTROPY,
        width=16,
        options=_DATED_OPTIONS,
    ),
    Template(
        "unet",
        "Classifies every pixel, with a larger receptive field and finer edges than fcnn.",
        ("image",),
        "O. Ronneberger, P. Fischer, T. Brox, U-Net, MICCAI 2015; here padded, and with batch normalization",
        CLASSIFICATION,
        Geometry((16,), 16),
        "tiles whose sides are multiples of 2 to the power of DEPTH, with label tiles of the same size",
        _CROSS_ENTROPY,
        width=32,
        depth=4,
        options=_DATED_OPTIONS,
    ),
    Template(
        "deeplabv3plus",
        "Classifies every pixel from a wide context, by convolutions with gaps of several widths (atrous spatial pyramid "
        "pooling).",
        ("image",),
        "L.-C. Chen et al., Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation (DeepLabV3+), "
        "ECCV 2018; with a smaller encoder and narrower gaps",
        CLASSIFICATION,
        Geometry((16,), 16),
        "tiles whose sides are multiples of 16, such as 128 x 128, with label tiles of the same size",
        _CROSS_ENTROPY,
        width=16,
        depth=2,
        options=("image_pooling", *_DATED_OPTIONS),
        remark="With IMAGE_POOLING, its outputs depend on the whole image, and it is served in windows of the size of its "
        "training patches.",
    ),
    Template(
        "segformer_b0",
        "Classifies every pixel from all of the image, by a transformer of four levels.",
        ("image",),
        "E. Xie et al., SegFormer: Simple and Efficient Design for Semantic Segmentation with Transformers, NeurIPS 2021",
        CLASSIFICATION,
        Geometry((32,), 32, verdict=_WHOLE),
        "tiles whose sides are multiples of 32, such as 128 x 128, with label tiles of the same size",
        _CROSS_ENTROPY,
        width=32,
        depth=2,
        options=_DATED_OPTIONS,
        remark="It is served in windows of the size of its training patches.",
    ),
    Template(
        "maggiori",
        "Classifies every pixel from a large receptive field; made for aerial and very-high-resolution images.",
        ("image",),
        "E. Maggiori, Y. Tarabalka, G. Charpiat, P. Alliez, IEEE TGRS 55(2), 2017; as in OTBTF's example, with ReLU",
        CLASSIFICATION,
        Geometry((67,), 4),
        "patches of 80 x 80, label patches of 16 x 16 from their middle",
        _CROSS_ENTROPY,
        width=64,
        options=_DATED_OPTIONS,
    ),
    Template(
        "pan_xs",
        "Classifies the middle of a patch from a panchromatic image and a multispectral one with pixels four times as "
        "large.",
        ("panchromatic", "multispectral, pixels 4 times as large"),
        "OTBTF's example of two sources; compare R. Gaetano, D. Ienco, K. Ose, R. Cresson, Remote Sensing 10(11), 2018",
        CLASSIFICATION,
        Geometry((32, 8), 1, Fraction(4)),
        "patches of 32 x 32 and 8 x 8, a label for each pair",
        _CROSS_ENTROPY,
        width=16,
        options=_FILLED_OPTIONS,
    ),
    Template(
        "two_resolution",
        "Classifies the middle of a patch from bands of two resolutions, such as Sentinel-2's 10 m and 20 m.",
        ("fine bands (10 m)", "coarse bands (20 m)"),
        f"the third {_TUTORIAL}",
        CLASSIFICATION,
        Geometry((16, 8), 1, Fraction(2)),
        "patches of 16 x 16 and 8 x 8, a label for each pair",
        _CROSS_ENTROPY,
        width=16,
        options=_FILLED_OPTIONS,
    ),
    Template(
        "time_series_vhr",
        "Classifies a pixel from its time series (recurrent layer with attention) and a very-high-resolution patch "
        "around it (CNN).",
        ("time series, bands date by date", "very-high-resolution image"),
        "P. Benedetti, D. Ienco et al., M3Fusion, IEEE JSTARS 11(12), 2018; smaller, and without its auxiliary classifiers",
        CLASSIFICATION,
        Geometry((1, 25), 1, verdict="patches of 1 x 1"),
        "patches of 1 x 1 and PATCHSIZE (25 x 25), a label for each pair",
        _CROSS_ENTROPY,
        width=128,
        patch=25,
        options=("times", "patch", *_FILLED_OPTIONS),
    ),
    _series(
        "tempcnn",
        "Classifies each pixel from its time series, by convolutions along the dates.",
        "C. Pelletier, G. I. Webb, F. Petitjean, Temporal Convolutional Neural Network for the Classification of Satellite "
        "Image Time Series, Remote Sensing 11(5), 2019",
        width=64,
        depth=3,
        remark="It takes the dates as equally far apart; STEP makes them so.",
    ),
    _series(
        "gru",
        "Classifies each pixel from its time series, by a recurrent network that reads it both ways, with attention.",
        "gated recurrent units as D. Ienco et al., IEEE GRSL 14(10), 2017; attention as P. Benedetti, D. Ienco et al., "
        "M3Fusion, IEEE JSTARS 11(12), 2018",
        width=64,
        remark="It takes the dates as equally far apart; STEP makes them so.",
    ),
    _series(
        "ltae",
        "Classifies each pixel from its time series, by attention with one learned query for each head.",
        "V. Sainte Fare Garnot, L. Landrieu, Lightweight Temporal Self-Attention for Classifying Satellite Images Time "
        "Series, AALTD 2020; here on pixels",
        width=128,
    ),
    _series(
        "time_series_transformer",
        "Classifies each pixel from its time series, by self-attention between the dates; it knows the day of the year.",
        "M. Russwurm, M. Koerner, Self-Attention for Raw Optical Satellite Time Series Classification, ISPRS Journal 169, "
        "2020; days of the year as Y. Yuan, L. Lin, IEEE JSTARS 14, 2021",
        width=64,
        depth=3,
    ),
    Template(
        "utae",
        "Classifies every pixel from a time series of images: a U-Net that all dates share, and attention between them.",
        ("time series",),
        "V. Sainte Fare Garnot, L. Landrieu, Panoptic Segmentation of Satellite Image Time Series with Convolutional Temporal "
        "Attention Networks, ICCV 2021; here with batch normalization throughout",
        CLASSIFICATION,
        Geometry((8,), 8),
        "tiles whose sides are multiples of 2 to the power of DEPTH, with label tiles of the same size",
        _CROSS_ENTROPY,
        width=32,
        depth=3,
        options=_DATED_OPTIONS,
        series=True,
        remark="Gaps are filled inside the model, linearly along the dates.",
    ),
    Template(
        DETECTOR,
        "Finds objects, such as trees or houses, as points with a size: trained here, applied by otbtf:detectobjects.",
        ("image",),
        "X. Zhou, D. Wang, P. Krähenbühl, Objects as Points (CenterNet), 2019; here with a small U-Net",
        DETECTION,
        Geometry((32,), 8, Fraction(4)),
        "patches whose sides are multiples of STRIDE times 2 to the power of DEPTH, with the detection maps that "
        "otbtf:patchesextraction makes of objects",
        "centernet",
        width=32,
        depth=2,
        options=("stride", *_FILLED_OPTIONS),
    ),
    Template(
        "super_resolution",
        "Creates an image of 2 or 4 times the resolution: residual blocks and pixel shuffle. It learns by the "
        "absolute error (L1), without adversarial training.",
        ("image",),
        "B. Lim et al., EDSR, CVPR Workshops 2017; pixel shuffle after W. Shi et al., CVPR 2016",
        REGRESSION,
        Geometry((1,), 2, Fraction(1, 2)),
        "patches, and patches of FACTOR times their size in the same units and bands",
        _ABSOLUTE,
        width=64,
        depth=8,
        outputs=0,
        options=("factor", *_FILLED_OPTIONS),
    ),
    Template(
        "gap_filling",
        "Estimates the optical image below clouds from the cloudy one, a radar image and elevation.",
        ("cloudy optical", "radar (SAR)", "elevation"),
        "R. Cresson et al., Optical image gap filling using deep convolutional autoencoder from optical and radar "
        "images, IGARSS 2019; here with elevation as a further source",
        REGRESSION,
        Geometry((16, 16, 16), 16),
        "patches of the same size in all sources, sides multiples of 2 to the power of DEPTH, and cloud-free patches "
        "with the bands of source 1",
        _ABSOLUTE,
        width=32,
        depth=4,
        outputs=0,
        options=_FILLED_OPTIONS,
    ),
    Template(
        "field_boundaries",
        "Estimates extent, boundary and distance of fields or buildings, in this order, from which otbtf:maptopolygons with "
        "INSTANCES makes a polygon of each.",
        ("image",),
        "F. Waldner, F. I. Diakogiannis, Deep learning on edge, Remote Sensing of Environment 245, 2020: its three tasks, each "
        "of which sees those before it, and its loss; with the body of unet instead of ResUNet-a",
        REGRESSION,
        Geometry((16,), 16),
        "tiles whose sides are multiples of 2 to the power of DEPTH, with tiles of otbtf:objectlabels of the same size",
        TANIMOTO,
        width=32,
        depth=4,
        outputs=0,
        options=_DATED_OPTIONS,
    ),
    Template(
        "mlp",
        "Estimates quantities pixel by pixel from its bands, such as soil moisture from radar and optical images.",
        ("image",),
        "a multilayer perceptron, as M. El Hajj et al., Remote Sensing 9(12), 2017, map soil moisture by neural networks",
        REGRESSION,
        Geometry((1,), 1, verdict=_PIXELWISE),
        "patches of 1 x 1, and CLASSES values for each",
        _SQUARED,
        width=32,
        depth=2,
        outputs=1,
        options=_DATED_OPTIONS,
    ),
    Template(
        "scalar_product",
        "The scalar product of the pixels of two images.",
        ("image", "image with as many bands"),
        "OTBTF's example",
        FIXED,
        Geometry((1, 1), 1, verdict=_PIXELWISE),
        outputs=0,
    ),
    Template(
        "norm",
        "The Euclidean norm of each pixel.",
        ("image",),
        "OTBTF's example",
        FIXED,
        Geometry((1,), 1, verdict=_PIXELWISE),
        outputs=0,
    ),
    Template(
        "band_arithmetic",
        "A formula in the language of OTB's BandMathX, such as im1b1 / im1b1Maxi; statistics of the images in "
        "SOURCE1_IL, ... are computed and stored in the model.",
        (),
        "Orfeo ToolBox, application BandMathX",
        FIXED,
        Geometry((1,), 1, verdict=_PIXELWISE),
        outputs=0,
        options=("expression", "statistics"),
    ),
    Template(
        "harmonic",
        "Fits a constant, a trend and sine waves to the time series of each pixel, without missing values.",
        ("time series, one band for each date",),
        "harmonic regression, as Z. Zhu and C. E. Woodcock, Remote Sensing of Environment 144, 2014, fit to Landsat's series",
        FIXED,
        Geometry((1,), 1, verdict=_PIXELWISE),
        outputs=0,
        options=("times", "period", "harmonics", "nodata"),
        remark="Its bands: constant (at the middle of the series), trend per year, then cosine and sine for each "
        "harmonic, and the root mean square of the residuals. Pixels with fewer values than unknowns are NaN.",
    ),
    Template(
        "backbone_efficientnetv2b0",
        "Features of a network for photographs.",
        ("image",),
        "M. Tan, Q. V. Le, EfficientNetV2, ICML 2021, from keras.applications",
        FEATURES,
        Geometry((64,), 2, Fraction(32), _WHOLE),
        _BACKBONE_TRAINING,
        _CROSS_ENTROPY,
        outputs=0,
        options=_BACKBONE_OPTIONS,
        remark=_FAR,
    ),
    Template(
        "backbone_efficientnetv2s",
        "As backbone_efficientnetv2b0, larger.",
        ("image",),
        "M. Tan, Q. V. Le, EfficientNetV2, ICML 2021, from keras.applications",
        FEATURES,
        Geometry((64,), 2, Fraction(32), _WHOLE),
        _BACKBONE_TRAINING,
        _CROSS_ENTROPY,
        outputs=0,
        options=_BACKBONE_OPTIONS,
        remark=_FAR,
    ),
    Template(
        "backbone_resnet50v2",
        "Features of a network for photographs.",
        ("image",),
        "K. He et al., Identity Mappings in Deep Residual Networks, ECCV 2016, from keras.applications",
        FEATURES,
        Geometry((64,), 2, Fraction(32)),
        _BACKBONE_TRAINING,
        _CROSS_ENTROPY,
        outputs=0,
        options=_BACKBONE_OPTIONS,
    ),
    Template(
        "backbone_convnext_tiny",
        "Features of a network for photographs.",
        ("image",),
        "Z. Liu et al., A ConvNet for the 2020s, CVPR 2022, from keras.applications",
        FEATURES,
        Geometry((64,), 2, Fraction(32), _WHOLE),
        _BACKBONE_TRAINING,
        _CROSS_ENTROPY,
        outputs=0,
        options=_BACKBONE_OPTIONS,
        remark=_FAR,
    ),
)

TEMPLATES = {template.name: template for template in _TEMPLATES}
NAMES: tuple[str, ...] = tuple(TEMPLATES)

TEMPLATE_PREFIX = "template:"
"""Prefix of a template's name in MODEL_DIR, to select the template although a file or folder of that name exists."""

TRAINABLE = tuple(name for name, template in TEMPLATES.items() if template.loss)
"""The templates that MODEL_DIR may name."""


def template_of(model_dir: str) -> Template | None:
    """Return the template that MODEL_DIR names, as `template:cnn16` or `cnn16`; None where it is a path that exists.

    Raises:
        ParameterError: it is neither.
    """
    name = model_dir.removeprefix(TEMPLATE_PREFIX)
    if name == model_dir and Path(model_dir).exists():
        return None
    if name not in TRAINABLE:
        why = Phrase("a template without weights to train") if name in TEMPLATES else Phrase("which does not exist")
        raise ParameterError(
            "{model_dir} is {model_dir2}, {why}: give a .keras file, a SavedModel's folder, or one of the templates "
            "{trainable}.",
            model_dir=field("model_dir"),
            model_dir2=model_dir,
            why=why,
            trainable=", ".join(TRAINABLE),
        )
    return TEMPLATES[name]
