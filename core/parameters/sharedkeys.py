"""Keys that several operations have, each declared once; what differs between operations is an argument."""

from __future__ import annotations

from typing import Any

from . import vocabulary as voc

PIXEL_TYPES = ("auto", "uint8", "int16", "uint16", "int32", "uint32", "float", "double")
"""The words of every `*_PIXELTYPE` parameter (OTB's names of pixel types, and auto)."""

MODEL_FILES = "TensorFlow models (saved_model.pb *.keras);;All files (*)"
"""Models, as Qt's file dialogs name them."""

LARGEST_SEED = 2**31 - 1

# ------------------------------------------------------------------- rasters


def raster_output(what: str = "raster", label: str = "Output") -> Any:
    """The raster to write: `out`."""
    return voc.raster_out("out", label, f"The {what} to write, in any format that GDAL can create.")


def pixel_type(name: str, of: str, auto: str = "the type that the data has", **more: Any) -> Any:
    """The pixel type of the output whose label is `of`; `auto` says which that choice takes."""
    return voc.choice(
        name,
        f"{of}: pixel type",
        f"Pixel type of {of[:1].lower()}{of[1:]}; auto takes {auto}.",
        PIXEL_TYPES,
        advanced=True,
        **more,
    )


def creation_options(name: str, of: str, more: str = "", example: str = "TILED=YES|COMPRESS=DEFLATE") -> Any:
    """GDAL's creation options of the output whose label is `of`; `more` is a sentence that follows."""
    return voc.text(
        name,
        f"{of}: creation options",
        f"GDAL's creation options, as {example}. {more}".rstrip(),
        advanced=True,
    )


def driver(name: str, of: str, more: str = "") -> Any:
    """The GDAL driver that writes the output whose label is `of`; `more` is a sentence that follows."""
    return voc.text(
        name,
        f"{of}: format",
        f"Short name of a GDAL driver, such as COG. Empty: by the output's extension. {more}".rstrip(),
        advanced=True,
    )


def box(name: str, of: str) -> Any:
    """The part of the output to compute, in pixels."""
    return voc.text(
        name,
        f"{of}: box",
        f"Part of the {of.lower()} to compute, startx:starty:sizex:sizey in its pixels (OTB's extended filename).",
        advanced=True,
    )


def extent(of: str) -> Any:
    """The part of the output to compute, in map coordinates: `extent`."""
    return voc.extent(
        "extent",
        "Extent",
        f"Part of the {of.lower()} to compute, snapped outwards to its pixels. Not given: all of it.",
        advanced=True,
    )


# ------------------------------------------------------------------- no-data


def nodata(meaning: str, **more: Any) -> Any:
    """The no-data value of images; `meaning` says what becomes of pixels that have it."""
    told = f"{meaning} Not given: the layer's own, where NODATA_FROM_LAYER is on."
    return voc.number("nodata", "No-data value", told, **more)


def nodata_from_layer() -> Any:
    """Whether layers' own no-data values count."""
    return voc.boolean(
        "nodata_from_layer",
        "No-data values from the layers",
        "Where a no-data value is not given, use the layer's own. Off: every pixel counts, as in OTB, also where a layer has "
        "a mask, or a no-data value set in its properties.",
        default=True,
        advanced=True,
        in_otbtf="off",
    )


def alpha() -> Any:
    """Whether bands that are marked as alpha are masks: a key of every operation that reads images."""
    return voc.choice(
        "alpha",
        "Alpha bands",
        "How bands that are marked as alpha are read. mask: where the alpha band is 0, the other bands are no-data. band: it "
        "is a band like the others. auto: it is a mask if it holds only 0 and the largest value of its type, and nothing (a "
        "model, a classifier, an expression) needs it as a band.",
        ("auto", "mask", "band"),
        advanced=True,
        in_otbtf="band",
    )


def mask(effect: str) -> Any:
    """A mask on the image's grid; `effect` says what it limits."""
    return voc.raster("mask", "Mask", f"Raster of one band on the image's grid: {effect}", required=False)


# ------------------------------------------------------------- random, memory


def seed(of: str, *, default: int | None = None, otherwise: str = "", **more: Any) -> Any:
    """The seed of what is random: `of` names it; `otherwise` says what happens without a seed."""
    told = f"Random seed of {of}; the same seed gives the same result."
    return voc.integer(
        "seed",
        "Seed",
        f"{told} Not given: {otherwise}." if otherwise else told,
        default=default,
        minimum=0,
        **more,
    )


def memory(of: str, otherwise: str = "a quarter of the machine's, at most 4096") -> Any:
    """The budget of memory; `of` says what for, `otherwise` how large it is where it is not given."""
    told = f"Budget in MB for {of}. Not given: {otherwise}."
    return voc.integer("memory", "Memory (MB)", told, minimum=64, advanced=True)


def ram() -> Any:
    """OTB's budget of memory for pixels."""
    return voc.integer(
        "ram",
        "RAM (MB)",
        "Memory for the pixels that are processed together, in MB.",
        default=256,
        minimum=16,
        advanced=True,
    )


# -------------------------------------------------------------------- models


def model_file(name: str = "model.dir", label: str = "Model") -> Any:
    """The model to apply."""
    return voc.file(
        name,
        label,
        "A SavedModel (its folder, or the saved_model.pb inside) or a .keras file.",
        file_filter=MODEL_FILES,
    )


def keras_out() -> Any:
    """The model to write as one file: `out.keras`."""
    return voc.file_out(
        "out.keras",
        "Trained model as .keras",
        "The trained Keras model as one file, to serve or to train on.",
        file_filter="Keras models (*.keras)",
    )


def tag_sets(name: str = "model.tagsets") -> Any:
    """Which graph of a SavedModel is taken."""
    return voc.text(
        name,
        "Tag sets",
        "Tags of the SavedModel's graph, separated by spaces or commas. Empty: serve.",
        advanced=True,
    )


def user_placeholders(name: str, of: str = "model") -> Any:
    """Values for inputs of a model that no source feeds."""
    return voc.text(
        name,
        "User placeholders",
        f"Values for further inputs of the {of}: name=value, several separated by spaces. A value is a number, true or "
        "false, or a list such as (1, 2.5).",
    )


def trust_model() -> Any:
    """Whether a model is loaded that could do harm."""
    return voc.boolean(
        "trust_model",
        "Trust the model",
        "A model is a program. On: load it although it holds operations that could touch files, the network or code.",
        advanced=True,
    )


def device() -> Any:
    """What TensorFlow computes on."""
    return voc.text(
        "device",
        "Device",
        "auto, cpu, or gpu:N for the N-th graphics processor (gpu:0 is the first).",
        default="auto",
        advanced=True,
    )


# -------------------------------------------------------------------- layers


def layer_index(of: str) -> Any:
    """Which layer of a file is taken, where the key `of` names the file alone."""
    return voc.integer(
        "layer",
        "Layer index",
        f"Number of the layer, from 0, in a file of several of which {of} names none.",
        minimum=0,
        advanced=True,
    )


# ------------------------------------------------------------------- reports


def report(holds: str, name: str = "out.report", label: str = "Report") -> Any:
    """A page to read, which the results viewer shows."""
    return voc.file_out(name, label, holds, file_filter="HTML files (*.html)", created=True)


def confusion_matrix(name: str, **more: Any) -> Any:
    """A confusion matrix to write."""
    told = "CSV file as OTB writes it; rows are the reference, columns the predicted classes."
    return voc.file_out(name, "Confusion matrix", told, file_filter="CSV files (*.csv)", **more)
