"""The classifiers that can be trained: their names, OTB's keys for them, and OTB's defaults."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ParameterError, field
from ..phrases import Phrase
from . import sections
from . import sharedkeys as shared
from . import vocabulary as voc
from .operation import Group

NAMES = ("libsvm", "boost", "gbt", "dt", "ann", "bayes", "rf", "knn")
"""OTB's names, and gbt, which OTB has had with older versions of OpenCV."""

FILE_FILTER = "Classifiers (*.skops)"
"""Their files, as Qt's file dialogs name them."""

LEFT_OUT = {
    "classifier.boost.t": Phrase("scikit-learn has one boosting method only, for any number of classes (SAMME)"),
    "classifier.boost.r": Phrase("all samples take part in each step"),
    "classifier.gbt.p": Phrase("all samples take part in each step"),
    "classifier.dt.ra": Phrase("it is for regression"),
    "classifier.dt.cat": Phrase("features are numbers, not categories"),
    "classifier.dt.f": Phrase("trees are not pruned"),
    "classifier.dt.r": Phrase("trees are not pruned"),
    "classifier.dt.t": Phrase("trees are not pruned"),
    "classifier.ann.a": Phrase("the activation function has no such parameter"),
    "classifier.ann.b": Phrase("the activation function has no such parameter"),
    "classifier.ann.rdw": Phrase("scikit-learn has no RPROP"),
    "classifier.ann.rdwm": Phrase("scikit-learn has no RPROP"),
    "classifier.rf.ra": Phrase("it is for regression"),
    "classifier.rf.cat": Phrase("features are numbers, not categories"),
    "classifier.rf.acc": Phrase("all trees are grown"),
    "output.bv": Phrase("pixels without data are not samples, and have the label NODATALABEL in a map"),
    "elev.dem": Phrase("images are georeferenced by their grid"),
    "elev.geoid": Phrase("images are georeferenced by their grid"),
    "elev.default": Phrase("images are georeferenced by their grid"),
    "cleanup": Phrase("no temporary files are left"),
    "v": Phrase("the log is complete"),
}
"""OTB's keys without a counterpart, with the reason; command lines ignore them."""


@dataclass(frozen=True)
class ClassifierChoice(Group):
    """A classifier, and its training."""

    classifier: str = voc.choice(
        "classifier",
        "Classifier",
        "libsvm: support vector machine. boost: AdaBoost of small trees. gbt: gradient boosting on histograms. dt: decision "
        "tree. ann: neural network. bayes: a normal distribution for each class. rf: random forest. knn: nearest neighbours.",
        NAMES,
        section=sections.CLASSIFIER,
    )
    libsvm_k: str = voc.choice(
        "classifier.libsvm.k",
        "SVM: kernel",
        "linear, rbf (Gaussian), poly (polynomial) or sigmoid.",
        ("linear", "rbf", "poly", "sigmoid"),
        section=sections.CLASSIFIER,
        advanced=True,
    )
    libsvm_m: str = voc.choice(
        "classifier.libsvm.m",
        "SVM: model",
        "csvc: limited by the cost C. nusvc: limited by Nu.",
        ("csvc", "nusvc"),
        section=sections.CLASSIFIER,
        advanced=True,
    )
    libsvm_c: float = voc.number(
        "classifier.libsvm.c",
        "SVM: cost C",
        "For csvc: penalty of an error.",
        default=1.0,
        minimum=1e-9,
        section=sections.CLASSIFIER,
        advanced=True,
    )
    libsvm_nu: float = voc.number(
        "classifier.libsvm.nu",
        "SVM: Nu",
        "For nusvc: upper limit of the share of errors, above 0 to 1.",
        default=0.5,
        minimum=1e-9,
        maximum=1,
        section=sections.CLASSIFIER,
        advanced=True,
    )
    libsvm_gamma: float = voc.number(
        "classifier.libsvm.gamma",
        "SVM: gamma",
        "For the kernels rbf, poly and sigmoid: factor of the distance or product.",
        default=1.0,
        minimum=1e-12,
        section=sections.CLASSIFIER,
        advanced=True,
    )
    libsvm_coef0: float = voc.number(
        "classifier.libsvm.coef0",
        "SVM: constant",
        "For the kernels poly and sigmoid: constant added to the product.",
        default=0.0,
        section=sections.CLASSIFIER,
        advanced=True,
    )
    libsvm_degree: int = voc.integer(
        "classifier.libsvm.degree",
        "SVM: degree",
        "For the kernel poly: degree of the polynomial.",
        default=3,
        minimum=1,
        section=sections.CLASSIFIER,
        advanced=True,
    )
    libsvm_opt: bool = voc.boolean(
        "classifier.libsvm.opt",
        "SVM: parameter search",
        "On: choose C (or Nu) and gamma by cross-validation among powers of ten, and ignore the given values.",
        section=sections.CLASSIFIER,
        advanced=True,
    )
    libsvm_prob: bool = voc.boolean(
        "classifier.libsvm.prob",
        "SVM: probabilities",
        "On: train probabilities too, by cross-validation; a confidence map needs them.",
        section=sections.CLASSIFIER,
        advanced=True,
    )
    boost_w: int = voc.integer(
        "classifier.boost.w",
        "Boosting: steps",
        "Maximum number of trees.",
        default=100,
        minimum=1,
        section=sections.CLASSIFIER,
        advanced=True,
    )
    boost_m: int = voc.integer(
        "classifier.boost.m",
        "Boosting: depth",
        "Depth of each tree.",
        default=1,
        minimum=1,
        section=sections.CLASSIFIER,
        advanced=True,
    )
    gbt_w: int = voc.integer(
        "classifier.gbt.w",
        "Gradient boosting: steps",
        "Number of trees for each class.",
        default=200,
        minimum=1,
        section=sections.CLASSIFIER,
        advanced=True,
    )
    gbt_s: float = voc.number(
        "classifier.gbt.s",
        "Gradient boosting: shrinkage",
        "Learning rate: weight of each tree.",
        default=0.01,
        minimum=1e-6,
        section=sections.CLASSIFIER,
        advanced=True,
    )
    gbt_max: int = voc.integer(
        "classifier.gbt.max",
        "Gradient boosting: depth",
        "Depth of each tree.",
        default=3,
        minimum=1,
        section=sections.CLASSIFIER,
        advanced=True,
    )
    dt_max: int = voc.integer(
        "classifier.dt.max",
        "Decision tree: depth",
        "Maximum depth of the tree.",
        default=10,
        minimum=1,
        section=sections.CLASSIFIER,
        advanced=True,
    )
    dt_min: int = voc.integer(
        "classifier.dt.min",
        "Decision tree: samples in a node",
        "A node with fewer samples is not split.",
        default=10,
        minimum=2,
        section=sections.CLASSIFIER,
        advanced=True,
    )
    ann_t: str = voc.choice(
        "classifier.ann.t",
        "Neural network: method",
        "reg: Adam, instead of OTB's resilient backpropagation. back: gradient descent with momentum.",
        ("reg", "back"),
        section=sections.CLASSIFIER,
        advanced=True,
    )
    ann_sizes: str = voc.text(
        "classifier.ann.sizes",
        "Neural network: hidden layers",
        "Number of neurons in each hidden layer, separated by spaces.",
        default="100",
        section=sections.CLASSIFIER,
        advanced=True,
    )
    ann_f: str = voc.choice(
        "classifier.ann.f",
        "Neural network: activation",
        "sig: symmetrical sigmoid (hyperbolic tangent). ident: none.",
        ("sig", "ident"),
        section=sections.CLASSIFIER,
        advanced=True,
    )
    ann_bpdw: float = voc.number(
        "classifier.ann.bpdw",
        "Neural network: learning rate",
        "For the method back: weight of the gradient.",
        default=0.1,
        minimum=1e-9,
        section=sections.CLASSIFIER,
        advanced=True,
    )
    ann_bpms: float = voc.number(
        "classifier.ann.bpms",
        "Neural network: momentum",
        "For the method back: weight of the previous step, below 1.",
        default=0.1,
        minimum=0,
        maximum=0.999,
        section=sections.CLASSIFIER,
        advanced=True,
    )
    ann_term: str = voc.choice(
        "classifier.ann.term",
        "Neural network: stop criterion",
        "iter: stop after the number of iterations. eps: stop if the loss no longer improves by epsilon. all: stop "
        "at the first of both.",
        ("all", "iter", "eps"),
        section=sections.CLASSIFIER,
        advanced=True,
    )
    ann_eps: float = voc.number(
        "classifier.ann.eps",
        "Neural network: epsilon",
        "For the stop criteria eps and all: minimum improvement of the loss in a hundred iterations.",
        default=0.01,
        minimum=0,
        section=sections.CLASSIFIER,
        advanced=True,
    )
    ann_iter: int = voc.integer(
        "classifier.ann.iter",
        "Neural network: iterations",
        "For the stop criteria iter and all: maximum number of passes over all samples.",
        default=1000,
        minimum=1,
        section=sections.CLASSIFIER,
        advanced=True,
    )
    rf_max: int = voc.integer(
        "classifier.rf.max",
        "Random forest: depth",
        "Maximum depth of a tree. Values above OTB's 5, such as 15 or 25, often improve the result.",
        default=5,
        minimum=1,
        section=sections.CLASSIFIER,
        advanced=True,
    )
    rf_min: int = voc.integer(
        "classifier.rf.min",
        "Random forest: samples in a node",
        "A node with fewer samples is not split.",
        default=10,
        minimum=2,
        section=sections.CLASSIFIER,
        advanced=True,
    )
    rf_var: int = voc.integer(
        "classifier.rf.var",
        "Random forest: features per split",
        "Number of features tried at random for each split. 0: the square root of the number of features.",
        default=0,
        minimum=0,
        section=sections.CLASSIFIER,
        advanced=True,
    )
    rf_nbtrees: int = voc.integer(
        "classifier.rf.nbtrees",
        "Random forest: trees",
        "Number of trees.",
        default=100,
        minimum=1,
        section=sections.CLASSIFIER,
        advanced=True,
    )
    knn_k: int = voc.integer(
        "classifier.knn.k",
        "Nearest neighbours: number",
        "Number of neighbours that vote.",
        default=32,
        minimum=1,
        section=sections.CLASSIFIER,
        advanced=True,
    )
    rand: int | None = shared.seed(
        name="rand",
        otherwise=shared.DRAWN,
        maximum=shared.LARGEST_32_BIT_SEED,
        advanced=True,
        section=sections.CLASSIFIER,
    )

    @property
    def layers(self) -> tuple[int, ...]:
        """The neurons of each hidden layer of ann.

        Raises:
            ParameterError: they cannot be read.
        """
        words = self.ann_sizes.split()
        if not words or not all(word.isdecimal() and int(word) for word in words):
            raise ParameterError(
                "{ann_sizes} is {ann_sizes2!r}, but must be whole numbers above 0, separated by spaces, such as 50 20.",
                ann_sizes=field("ann_sizes"),
                ann_sizes2=self.ann_sizes,
            )
        return tuple(int(word) for word in words)
