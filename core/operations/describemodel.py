"""DescribeModel: what a model takes, what it returns, and how far it looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.operation import Operation, TextResult
from ..parameters.servedmodel import MOST_SOURCES


@dataclass(frozen=True)
class DescribedSource:
    """Rasters to compare with one input of the model."""

    il: tuple[Any, ...] = voc.rasters(
        "il",
        "Images",
        "Rasters on one grid, their bands stacked in this order, to compare with an input of the model. Without "
        "rasters the model is probed on random images.",
    )
    placeholder: str = voc.text(
        "placeholder",
        "Model input",
        "Name of the model's input that this source feeds. Empty: the inputs in alphabetical order.",
    )


@dataclass(frozen=True)
class DescribeModel(Operation):
    """OTBTF has no such application."""

    TITLE = "Describe a model"
    GROUP = "models"
    DESCRIPTION = (
        "Says what a TensorFlow or Keras model takes and returns, and how far it looks: receptive field, expression "
        "field, spacing scale, stride, and the border that depends on what lies outside. Given rasters, it says "
        "whether they fit, and why not.\n\n"
        "The description is a page to read, and a STAC item with the machine learning model extension (MLM). Kept "
        "beside the model as its sidecar, it saves probing when the model is served, and names and colours the map "
        "by the model's classes."
    )
    RESULTS = (
        TextResult("verdict", "How the model is applied"),
        TextResult("parameters", "Parameters for serving it"),
        TextResult("fits", "Whether the rasters fit (yes, no, or empty without rasters)"),
        TextResult("misfits", "Why the rasters do not fit"),
        TextResult("sidecar.path", "The sidecar that was written"),
    )
    RUN = "probing.describerun:describe_model"
    NEEDS_ENGINE = True

    model_dir: str = shared.model_file()
    output_names: str = voc.text(
        "output.names",
        "Model outputs",
        "Names of the outputs to describe, separated by spaces; of a .keras file any layer's too. Empty: all that "
        "the model names.",
    )
    sources: tuple[DescribedSource, ...] = voc.numbered(DescribedSource, MOST_SOURCES)
    model_userplaceholders: str = shared.user_placeholders("model.userplaceholders")
    classes: str | None = voc.file(
        "classes",
        "Classes",
        "A label raster, or a labels image made by PatchesExtraction, whose class names and colours the described "
        "outputs have. Not given: those in the model's sidecar, if it has one.",
        required=False,
    )
    sidecar: bool = voc.boolean(
        "sidecar",
        "Write the sidecar",
        "Keep the description beside the model (mlm.json in a SavedModel's folder, NAME.keras.json beside a .keras "
        "file): serving then needs no probing, and names and colours its output by the classes.",
    )
    alpha: str = shared.alpha()
    model_tagsets: str = shared.tag_sets()
    trust_model: bool = shared.trust_model()
    out_html: str | None = shared.report("The description as a page to read.", "out.html", "Description")
    out_json: str | None = voc.file_out(
        "out.json",
        "Description as JSON",
        "The description as a STAC item with the machine learning model extension (MLM).",
        file_filter="JSON files (*.json)",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        lacking = [number for number, source in enumerate(self.sources, 1) if not source.il]
        if lacking:
            raise ParameterError(
                f"SOURCE{lacking[0]}_IL is missing, but SOURCE{lacking[0]}_PLACEHOLDER is given: give both, or neither."
            )
