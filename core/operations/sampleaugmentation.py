"""SampleAugmentation: further samples of a class, made from those of a layer."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ParameterError, field
from ..parameters import sections
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.operation import NumberResult, Operation, TextResult
from ..parameters.vectorsource import LayerSource

STRATEGIES = ("replicate", "jitter", "smote")


@dataclass(frozen=True)
class SampleAugmentation(Operation):
    """See OTB's application of the same name."""

    TITLE = "Augment the samples of a class"
    GROUP = "sampling"
    DESCRIPTION = (
        "Makes further samples of a class that has few of them: copies, copies with noise, or mixtures of two similar "
        "samples. Train on them together with the samples they were made from.\n\n"
        "The numeric fields that are not excluded are the features, which get new values, rounded in fields of whole "
        "numbers. Everything else, also the "
        "geometry, is that of the first sample of the class, as in OTB: the new samples do not lie where their values "
        "occur, so do not extract pixel values or patches at them. The parameters are those of OTB's SampleAugmentation."
    )
    RESULTS = (
        NumberResult("samples", "Number of new samples"),
        NumberResult("sources", "Number of samples of the class that they were made from"),
        TextResult("field", "Class field of the output"),
        TextResult("legend", "Class, its name, colour and number of new samples, as JSON"),
    )
    RUN = "samples.augmentingsamples:augment_samples"

    samples_in: LayerSource = voc.vector(
        "in", "Samples", "Layer of samples, such as the points of SampleExtraction, or a table without geometry."
    )
    field: str = voc.attribute("field", "Class field", "Field with the class, which is never a feature.", of="in")
    layer: int | None = shared.layer_index("IN")
    label: str = voc.text(
        "label",
        "Class",
        "The class to augment: its value in the class field, a number or a text.",
        default="1",
        section=sections.SAMPLES,
    )
    samples: int = voc.integer(
        "samples",
        "New samples",
        "Number of samples to make.",
        default=100,
        minimum=1,
        section=sections.SAMPLES,
    )
    exclude: tuple[str, ...] = voc.attributes(
        "exclude",
        "Excluded fields",
        "Numeric fields that are not features, such as originfid. Fields without numbers never are.",
        of="in",
        required=False,
        section=sections.SAMPLES,
    )
    strategy: str = voc.choice(
        "strategy",
        "Strategy",
        "replicate: the samples in their order, over and over. jitter: samples drawn at random, with Gaussian noise "
        "added to each feature. smote: values at random between a sample drawn at random and one of its nearest "
        "neighbours in the space of the features (Chawla et al., 2002).",
        STRATEGIES,
        section=sections.SAMPLES,
    )
    strategy_jitter_stdfactor: float = voc.number(
        "strategy.jitter.stdfactor",
        "Divisor of the standard deviation",
        "For jitter: the standard deviation of a feature's noise is that of the feature in the class, divided by this.",
        default=10.0,
        section=sections.SAMPLES,
    )
    strategy_smote_neighbors: int = voc.integer(
        "strategy.smote.neighbors",
        "Neighbours",
        "For smote: number of nearest neighbours, one of which is drawn. The class needs more samples than that.",
        default=5,
        minimum=1,
        section=sections.SAMPLES,
    )
    seed: int | None = shared.seed(otherwise=shared.DRAWN, advanced=True, section=sections.SAMPLES)
    out: str = voc.vector_out(
        "out", "Augmented samples", "The new samples alone, with all fields of the layer, in its coordinate system."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.strategy == "jitter" and not 0 < self.strategy_jitter_stdfactor < float("inf"):
            raise ParameterError(
                "{stdfactor} is {value:g}, but divides the standard deviations: choose a number above 0.",
                stdfactor=field("strategy_jitter_stdfactor"),
                value=self.strategy_jitter_stdfactor,
            )
