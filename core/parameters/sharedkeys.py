"""Keys that several operations have, each declared once; what differs between operations is an argument."""

from __future__ import annotations

from typing import Any

from . import sections
from . import vocabulary as voc

PIXEL_TYPES = ("auto", "uint8", "int16", "uint16", "int32", "uint32", "float", "double")
"""The words of every `*_PIXELTYPE` parameter (OTB's names of pixel types, and auto)."""

BESIDE_TENSORFLOW = ", in addition to TensorFlow's own memory"
"""What a memory budget does not include."""

MODEL_FILES = "Models (saved_model.pb *.keras *.onnx);;All files (*)"
"""Models that are applied, as Qt's file dialogs name them."""

TRAINABLE_FILES = "TensorFlow models (saved_model.pb *.keras);;All files (*)"
"""Models that are trained."""

LISTED_SOURCES = 8
"""The number of sources that the documentation lists; operations take any number."""

SUGGESTED_SIZE = 16
"""Width and height of the patches that dialogs begin with, in pixels: those of the template cnn16."""

LARGEST_32_BIT_SEED = 2**32 - 1
"""The largest seed that `keras.utils.set_random_seed` and the classifiers take."""

DRAWN = "one drawn at random, which the log names"
"""What happens without a seed where something is drawn in any case; see `base.seeds`."""

LARGEST_SEED = 2**31 - 1
"""The largest seed of training, which adds the number of the epoch to it: the sum stays within 32 bits."""

# ------------------------------------------------------------------- rasters


def raster_output(what: str = "raster", label: str = "Output") -> Any:
    """The raster to write: `out`."""
    return voc.raster_out("out", label, f"The {what} to write, in any format that GDAL can create.")


def pixel_type(name: str, of: str, auto: str = "the type of the data", **more: Any) -> Any:
    """The pixel type of the output whose label is `of`; `auto` says which that choice takes."""
    return voc.choice(
        name,
        f"{of}: pixel type",
        f"Pixel type of the {of.lower()}. auto: {auto}.",
        PIXEL_TYPES,
        section=sections.OUTPUT,
        advanced=True,
        **more,
    )


def creation_options(name: str, of: str, more: str = "", example: str = "TILED=YES|COMPRESS=DEFLATE") -> Any:
    """GDAL's creation options of the output whose label is `of`; `more` is a sentence that follows."""
    return voc.text(
        name,
        f"{of}: creation options",
        f"GDAL's creation options, separated by |, such as {example}. {more}".rstrip(),
        section=sections.OUTPUT,
        advanced=True,
    )


def driver(name: str, of: str, more: str = "") -> Any:
    """The GDAL driver that writes the output whose label is `of`; `more` is a sentence that follows."""
    return voc.text(
        name,
        f"{of}: format",
        f"Short name of the GDAL driver, such as COG. Default: the driver for the output's file extension. {more}".rstrip(),
        section=sections.OUTPUT,
        advanced=True,
    )


def box(name: str, of: str) -> Any:
    """The part of the output to compute, in pixels."""
    return voc.text(
        name,
        f"{of}: part in pixels",
        f"Part of the {of.lower()} to compute, as startx:starty:sizex:sizey in pixels of the whole {of.lower()} (the "
        "box of OTB's extended filenames). Default: all of it.",
        section=sections.OUTPUT,
        advanced=True,
    )


def extent(of: str) -> Any:
    """The part of the output to compute, in map coordinates: `extent`."""
    return voc.extent(
        "extent",
        "Extent",
        f"Part of the {of.lower()} to compute, as a map extent; it is extended to whole pixels. Default: all of it.",
        advanced=True,
        section=sections.OUTPUT,
    )


# ------------------------------------------------------------------- no-data


def nodata(meaning: str, **more: Any) -> Any:
    """The no-data value of images; `meaning` says what happens to pixels that have it."""
    told = f"{meaning} Default: the layer's own no-data value, if NODATA_FROM_LAYER is on."
    return voc.number("nodata", "No-data value", told, **more, section=sections.NODATA)


def nodata_from_layer() -> Any:
    """Whether layers' own no-data values count."""
    return voc.boolean(
        "nodata_from_layer",
        "No-data values from the layers",
        "On: use the layer's own no-data value, unless a value is given. Off: use every pixel, as OTB does, even if "
        "a layer has a mask, or a no-data value set in its properties.",
        default=True,
        advanced=True,
        in_otbtf="off",
        section=sections.NODATA,
    )


def alpha() -> Any:
    """Whether bands that are marked as alpha are masks: a key of every operation that reads images."""
    return voc.choice(
        "alpha",
        "Alpha bands",
        "Use of bands that are marked as alpha. mask: where the alpha band is 0, the other bands are no-data. band: "
        "a band like the others. auto: a mask if the band holds only 0 and the largest value of its type, and no "
        "model, classifier or expression needs it as a band.",
        ("auto", "mask", "band"),
        advanced=True,
        in_otbtf="band",
        section=sections.NODATA,
    )


def mask(effect: str) -> Any:
    """A mask on the image's grid; `effect` is a sentence that says what it limits."""
    return voc.raster("mask", "Mask", f"Raster of one band on the image's grid. {effect}", required=False)


# ------------------------------------------------------------- random, memory


def seed(
    of: str = "", *, section: str, name: str = "seed", default: int | None = None, otherwise: str = "", **more: Any
) -> Any:
    """The seed of what is random: `of` names it; `otherwise` says what happens without a seed."""
    told = f"Random seed{f' of {of}' if of else ''}, a whole number from 0; the same seed reproduces a run."
    return voc.integer(
        name,
        "Random seed",
        f"{told} Default: {otherwise}." if otherwise else told,
        default=default,
        minimum=0,
        section=section,
        **more,
    )


def memory(of: str, otherwise: str = "a quarter of the machine's memory, at most 4096", more: str = "") -> Any:
    """The memory budget; `of` says what for, `otherwise` how large it is by default, `more` what is beyond it."""
    told = f"Memory for {of}, in MB{more}. Default: {otherwise}."
    return voc.integer("memory", "Memory (MB)", told, minimum=64, advanced=True, section=sections.SPEED)


def ram() -> Any:
    """OTB's memory budget for pixels."""
    return voc.integer(
        "ram",
        "RAM (MB)",
        "Memory for the pixels processed together, in MB.",
        default=256,
        minimum=16,
        advanced=True,
        section=sections.SPEED,
    )


# -------------------------------------------------------------------- models


def model_file(name: str = "model.dir", label: str = "Model") -> Any:
    """The model to apply."""
    return voc.file(
        name,
        label,
        "A SavedModel (its folder, or the saved_model.pb in it), a .keras file or an .onnx file.",
        section=sections.MODEL,
        file_filter=MODEL_FILES,
    )


def keras_out() -> Any:
    """The model to write as one file: `out.keras`."""
    return voc.file_out(
        "out.keras",
        "Trained model as .keras file",
        "The trained Keras model as one file, to serve it or to train it further.",
        file_filter="Keras models (*.keras)",
    )


def network_width() -> Any:
    """The size of a template's layers."""
    return voc.integer(
        "width",
        "Network width",
        "Number of filters or units of the first layer; those of later layers follow from it. Default: depends on "
        "the template.",
        minimum=1,
        maximum=4096,
        section=sections.NETWORK,
        advanced=True,
    )


def network_depth() -> Any:
    """The number of a template's layers."""
    return voc.integer(
        "depth",
        "Network depth",
        "Number of levels of unet, gap_filling and utae, residual blocks of super_resolution, blocks of deeplabv3plus behind "
        "its encoder and of segformer_b0 in each level, or layers of mlp, tempcnn and time_series_transformer. Default: "
        "depends on the template.",
        minimum=1,
        maximum=8,
        section=sections.NETWORK,
        advanced=True,
    )


def tag_sets(name: str = "model.tagsets") -> Any:
    """Which graph of a SavedModel is taken."""
    return voc.text(
        name,
        "Tag sets",
        "Tags of the SavedModel's graph, separated by spaces or commas. Default: serve.",
        section=sections.MODEL,
        advanced=True,
    )


def context_size(name: str, of: str, more: str) -> Any:
    """The size of the windows in which a model is computed that sees all of what it is shown."""
    return voc.integer(
        name,
        "Context size",
        f"For a {of} whose outputs depend on the whole image (global pooling, attention): width and height, in pixels of the "
        f"first source, of the windows in which it is computed, such as the patches that it was trained on. {more}",
        minimum=0,
        section=sections.GEOMETRY,
        advanced=True,
    )


def user_placeholders(name: str, of: str = "model") -> Any:
    """Values for inputs of a model that no source feeds."""
    return voc.text(
        name,
        "User placeholders",
        f"Values of further inputs of the {of}: name=value, separated by spaces. A value is a number, true or false, "
        "or a list such as (1, 2.5).",
        section=sections.MODEL,
        advanced=True,
    )


def trust_model() -> Any:
    """Whether a model is loaded although it could do harm."""
    return voc.boolean(
        "trust_model",
        "Trust the model",
        "On: load the model even if it holds operations that could access files, the network or code. A model is a "
        "program: use this only for models from people you trust.",
        advanced=True,
        section=sections.MODEL,
    )


def device(more: str = "") -> Any:
    """What TensorFlow computes on; `more` says what else may be given."""
    return voc.text(
        "device",
        "Device",
        f"Device for the computation: auto, cpu, or gpu:N for a graphics processor (gpu:0 is the first).{more}",
        default="auto",
        advanced=True,
        section=sections.SPEED,
    )


def cluster(does: str, place: str) -> Any:
    """Where workers are: `does` begins the sentence on what they do, `place` is where they write."""
    return voc.cluster(
        "cluster",
        "Cluster",
        f"{does} on several workers: local:N for N workers on this machine (one for each GPU, or for some of its cores), "
        "tcp://host:8786 or tls://host:8786 for a Dask scheduler, or the file of one (.json). All workers must see the "
        f"inputs and {place} under the same paths. Empty: compute in one process.",
        advanced=True,
        section=sections.SPEED,
    )


def cluster_tls() -> Any:
    """The certificates for a scheduler."""
    return voc.folder(
        "cluster.tls",
        "Cluster: certificates",
        "Folder with ca.pem, cert.pem and key.pem, for a tls:// address. Default: the certificates in Dask's own "
        "configuration.",
        required=False,
        advanced=True,
        section=sections.SPEED,
    )


# -------------------------------------------------------------------- layers


def class_field(name: str, of: str, label: str = "Class field", **more: Any) -> Any:
    """The field of a layer, whose key is `of`, that holds the class."""
    return voc.attribute(
        name,
        label,
        "Field with the class: whole numbers, also as text, or names, which are numbered from 0 in alphabetical order.",
        of=of,
        **more,
    )


def layer_index(of: str, name: str = "layer", label: str = "Layer index") -> Any:
    """Which layer of a file is taken, where the key `of` names the file alone."""
    return voc.integer(
        name,
        label,
        f"Number of the layer in its file, from 0, if the file has several layers and {of} names none.",
        minimum=0,
        section=sections.LABELS,
        advanced=True,
    )


# ------------------------------------------------------------------- reports


def report(holds: str, name: str = "out.report", label: str = "Report") -> Any:
    """An HTML page, which the results viewer shows."""
    return voc.file_out(name, label, holds, file_filter="HTML files (*.html)", created=True)


def baseline(samples: str, tells: str) -> Any:
    """Whether a random forest is trained beside the network; on which samples, and what the report tells of it."""
    return voc.boolean(
        "baseline",
        "Compare with a random forest",
        f"Also trains a random forest on the same {samples}, with missing values filled alike, and gives its {tells} in the "
        "report.",
        section=sections.VALIDATION,
        advanced=True,
    )


def calibrate() -> Any:
    """Whether the class probabilities of the trained model are calibrated."""
    return voc.boolean(
        "calibrate",
        "Calibrate class probabilities",
        "On: fit a temperature to the validation samples, by which the trained model divides its logits, so that among pixels "
        "with a probability of 0.8 about 80 % are right. The most probable class of a pixel stays the same. The report has "
        "the reliability diagram and the expected calibration error. Needs validation samples.",
        section=sections.VALIDATION,
        advanced=True,
    )


def confusion_matrix(name: str, **more: Any) -> Any:
    """A confusion matrix to write."""
    told = "CSV file in OTB's form: rows are the reference classes, columns the predicted classes."
    return voc.file_out(name, "Confusion matrix", told, file_filter="CSV files (*.csv)", **more)
