"""DescribeModel: inputs, outputs and receptive field of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError, field
from ..parameters import sections
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.operation import Operation, TextResult

PROBINGS = ("full", "fast", "none")
"""How much of a model is found by computing with it; the most first."""


@dataclass(frozen=True)
class DescribedSource:
    """Rasters to compare with one input of the model."""

    il: tuple[Any, ...] = voc.rasters(
        "il",
        "Images",
        "Rasters on one grid, to compare with an input of the model; their bands are stacked in this order. Without "
        "rasters, the model is probed on random images.",
    )
    placeholder: str = voc.text(
        "placeholder",
        "Model input",
        "Name of the model's input that this source feeds. Default: the inputs in alphabetical order.",
        section=sections.IMAGES,
        advanced=True,
    )


@dataclass(frozen=True)
class DescribeModel(Operation):
    """OTBTF has no such application."""

    TITLE = "Describe a model"
    GROUP = "models"
    DESCRIPTION = (
        "Describes a TensorFlow, Keras or ONNX model: inputs, outputs, receptive field, expression field, spacing scale, "
        "stride, and the border whose values depend on pixels outside. If you choose rasters, it reports whether "
        "they fit, and why not.\n\n"
        "The description is an HTML page and a STAC item with the machine learning model extension (MLM). Stored "
        "beside the model as its sidecar, it makes probing unnecessary when the model is served, and gives the map "
        "the names and colours of the model's classes."
    )
    RESULTS = (
        TextResult("verdict", "How the model is applied"),
        TextResult("parameters", "Parameters for serving"),
        TextResult("fits", "Whether the rasters fit (yes, no, or empty without rasters)"),
        TextResult("misfits", "Reasons why the rasters do not fit"),
        TextResult("sidecar.path", "Path of the sidecar"),
    )
    RUN = "probing.describerun:describe_model"
    NEEDS_ENGINE = True

    model_dir: str = shared.model_file()
    output_names: str = voc.text(
        "output.names",
        "Model outputs",
        "Names of the outputs to describe, separated by spaces; for a .keras file also names of layers. Default: the "
        "outputs that the model names.",
        section=sections.MODEL,
    )
    sources: tuple[DescribedSource, ...] = voc.numbered(DescribedSource, shared.LISTED_SOURCES)
    model_userplaceholders: str = shared.user_placeholders("model.userplaceholders")
    classes: str | None = voc.file(
        "classes",
        "Classes",
        "Label raster, or labels image of PatchesExtraction, with the class names and colours of the described "
        "outputs. Default: those in the model's sidecar, if it has one.",
        required=False,
        section=sections.LABELS,
    )
    sidecar: bool = voc.boolean(
        "sidecar",
        "Write the sidecar",
        "On: store the description beside the model (mlm.json in a SavedModel's folder, NAME.keras.json beside a "
        ".keras file). Serving then needs no probing, and gives its output the names and colours of the classes.",
        section=sections.SETTINGS,
    )
    probing: str = voc.choice(
        "probing",
        "Probing",
        "full: also measure the receptive field of single outputs, which takes minutes for a deep network. fast: leave it "
        "out; serving does not need it. none: compute nothing, and describe inputs and outputs only.",
        PROBINGS,
        advanced=True,
        section=sections.SPEED,
    )
    model_context: int | None = shared.context_size(
        "model.context",
        "model",
        "Serving takes it from the sidecar. 0: none. Default: the value in the model's sidecar, if it has one.",
    )
    alpha: str = shared.alpha()
    model_tagsets: str = shared.tag_sets()
    trust_model: bool = shared.trust_model()
    out_html: str | None = shared.report("HTML page with the description.", "out.html", "Description")
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
                "{il} is missing, but {placeholder} is given: give both, or neither.",
                il=field("il", of="sources", number=lacking[0]),
                placeholder=field("placeholder", of="sources", number=lacking[0]),
            )
        if self.probing == "none" and (self.sidecar or self.sources):
            other = field("sidecar") if self.sidecar else field("il", of="sources", number=1)
            raise ParameterError(
                "{probing} is none, but {other} is given, which needs probing: set {probing} to fast, or remove {other}.",
                probing=field("probing"),
                other=other,
            )
