"""What is told of a template: use, sources, options and geometry.

Nothing of TensorFlow is imported, so that dialogs and help pages can be made from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ..phrases import Phrase, plain

CLASSIFICATION, REGRESSION, FEATURES, FIXED = "classification", "regression", "features", "fixed"
DETECTION = "detection"
"""What a template's output is: probabilities of classes, quantities, features, a formula without weights, or objects."""


@dataclass(frozen=True)
class Geometry:
    """How a template is applied with its default options, as `otbtf:describemodel` finds it.

    Attributes:
        rfields: side of the smallest region that it takes, in pixels of each source.
        efield: side of what it returns for that, in output pixels.
        scale: size of an output pixel in pixels of the first source.
        verdict: in words.
    """

    rfields: tuple[int, ...]
    efield: int
    scale: Fraction = Fraction(1)
    verdict: str = "fully convolutional"

    def describe(self) -> str:
        """Return the numbers in a sentence."""
        fields = Phrase(" and ").join(f"{side} x {side}" for side in self.rfields)
        outputs = Phrase("1 output") if self.efield == 1 else Phrase("{side} x {side} outputs", side=self.efield)
        return Phrase(
            "{verdict}; {outputs} from {fields} pixels, scale {scale}",
            verdict=plain(self.verdict),
            outputs=outputs,
            fields=fields,
            scale=self.scale,
        )


_WORDS = {
    "sparse_categorical_crossentropy": "categorical_crossentropy",
    "mean_absolute_error": "mae",
    "mean_squared_error": "mse",
}
"""The words of LOSS for Keras's names of losses."""


@dataclass(frozen=True)
class Template:
    """One template.

    Attributes:
        name: as TEMPLATE names it.
        use: what it is for, in a sentence.
        inputs: what each source holds; empty where their number is free.
        origin: paper or program that it follows.
        task: one of the five words above.
        geometry: with the default options.
        training: the patches that it trains on, and the target for each.
        loss: Keras's name of the loss that suits its targets, or one of ours (`tanimoto`, a detector's); empty where there
            is nothing to train.
        width: default number of filters or units of the first layer; None where it has no such option.
        depth: default number of levels or layers; None where it has no such option.
        patch: default of PATCHSIZE; 0 where rows and columns are free by default.
        outputs: default of CLASSES; None where it has to be given, 0 where the template sets it.
        options: its further options.
        series: whether its sources are time series.
        remark: what else one should know.
    """

    name: str
    use: str
    inputs: tuple[str, ...]
    origin: str
    task: str
    geometry: Geometry
    training: str = ""
    loss: str = ""
    width: int | None = None
    depth: int | None = None
    patch: int = 0
    outputs: int | None = None
    options: tuple[str, ...] = ()
    series: bool = False
    remark: str = ""

    @property
    def loss_word(self) -> str:
        """Its loss as LOSS names it."""
        return _WORDS.get(self.loss, self.loss)

    @property
    def takes(self) -> tuple[str, ...]:
        """Names of all its options."""
        more = {
            "scalings": self.task != FIXED,
            "classes": self.outputs != 0,
            "width": self.width,
            "depth": self.depth,
        }
        return ("bands", *(name for name, has in more.items() if has), *self.options)
