"""Make resources/models/landcovermodel.model3, the graphical model that the provider lists.

    python3 docs/examples/make_landcovermodel.py [FILE]

Run it in QGIS's Python, with the plugin's tree on the path (PYTHONPATH=build/tree) and QT_QPA_PLATFORM=offscreen. The
model is what `otbtf:landcovermap` does for a raster of labels, step by step: to see how the steps belong together, and
to change them in the model designer.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ["QT_HASH_SEED"] = "0"  # else Qt writes the attributes in the file in another order each time

from qgis.core import (
    QgsApplication,
    QgsProcessing,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)
from qgis.PyQt.QtCore import QPointF

TOP = Path(__file__).resolve().parents[2]
FILE = TOP / "resources" / "models" / "landcovermodel.model3"

HELP = (
    "Learns from a raster of labels what each class looks like, and maps the images: otbtf:landcovermap for patches, step "
    "by step. To change it, right-click it in the toolbox and choose Edit a Copy of the Model."
)
RESULTS = {
    "map:Map": "The class of each pixel of the images, with names and colours.",
    "training:Model": "Folder of the trained model, to serve it on other images.",
    "training:Report": "HTML page with the training curves, confusion matrix and scores per class.",
}
NEEDED = {"Model"}
"""Results that a later step reads: without them a run would train, and fail then."""

Source = QgsProcessingModelChildParameterSource
INTEGER = QgsProcessingParameterNumber.Type.Integer


SAMPLES, PATCH_SIZE, NETWORK, EPOCHS = 1000, 16, "cnn16", 50
"""What is taken where a command line does not say; QGIS fills in defaults in dialogs only."""


class Maker:
    """Puts the model together, from left to right."""

    def __init__(self) -> None:
        self.model = QgsProcessingModelAlgorithm("landcovermodel", "start")  # the group's id: QGIS has no other
        self._help = {"ALG_DESC": HELP, "ALG_CREATOR": "otbtf_qgis", **RESULTS}
        self._order: list[str] = []
        self._rows = self._steps = 0

    def parameter(self, definition: Any, text: str) -> None:
        """Add an input of the model, below the others in the designer, with its help."""
        self._help[definition.name()] = text
        self.model.setHelpContent(self._help)
        definition.setHelp(text)
        component = QgsProcessingModelParameter(definition.name())
        component.setDescription(definition.description())
        component.setPosition(QPointF(150, 60 + 70 * self._rows))
        self._rows += 1
        self.model.addModelParameter(definition, component)
        # The order of the form, which is that of the alphabet otherwise.
        self._order.append(definition.name())
        self.model.setParameterOrder(self._order)

    def step(
        self, name: str, algorithm: str, values: Mapping[str, Any], results: Mapping[str, str] | None = None
    ) -> None:
        """Add a step; each parameter that is no source and has a default gets it, so that every value is stored.

        Args:
            name: of the step.
            algorithm: its id.
            values: sources, or values, by parameter.
            results: outputs of the step that are results of the model, and what they are called.
        """
        child = QgsProcessingModelChildAlgorithm(algorithm)
        child.setChildId(name)
        child.setDescription(child.algorithm().displayName())
        child.setPosition(QPointF(420 + 260 * self._steps, 200))
        for definition in child.algorithm().parameterDefinitions():
            given = values.get(definition.name(), definition.defaultValue())
            if definition.name() in values or (given is not None and not definition.isDestination()):
                source = given if isinstance(given, Source) else Source.fromStaticValue(given)
                child.addParameterSources(definition.name(), [source])
        unknown = set(values) - {definition.name() for definition in child.algorithm().parameterDefinitions()}
        if unknown:
            raise ValueError(f"{algorithm} has no {unknown}")
        outputs = {}
        for key, title in (results or {}).items():
            output = QgsProcessingModelOutput(title, title)
            output.setChildId(name)
            output.setChildOutputName(key)
            output.setPosition(QPointF(420 + 260 * self._steps, 330 + 60 * len(outputs)))
            output.setMandatory(title in NEEDED)
            outputs[title] = output
        child.setModelOutputs(outputs)
        self.model.addChildAlgorithm(child)
        self._steps += 1


def make() -> QgsProcessingModelAlgorithm:
    """Return the model."""
    maker = Maker()
    rasters = QgsProcessing.SourceType.TypeRaster
    maker.parameter(
        QgsProcessingParameterMultipleLayers("images", "Images", rasters),
        "Images of the same area, on one grid; their bands are stacked.",
    )
    maker.parameter(
        QgsProcessingParameterRasterLayer("labels", "Labels (raster)"),
        "Raster with the number of a class in some pixels, and no-data elsewhere.",
    )
    maker.parameter(
        QgsProcessingParameterNumber("samples", "Samples per class", INTEGER, SAMPLES, False, 2),
        "Number of patches per class, including those for validation. A class with fewer labels uses all of them.",
    )
    maker.parameter(
        QgsProcessingParameterNumber("patchsize", "Patch size", INTEGER, PATCH_SIZE, False, 1),
        "Width and height of the patches in pixels. The network must take it: cnn16 takes 16, cnn16_deep any size; small "
        "ones, such as 5, suit small objects.",
    )
    maker.parameter(
        QgsProcessingParameterString("network", "Network (a template, or a .keras file)", NETWORK),
        "cnn16 (patches of 16 x 16), cnn16_deep (patches of any size), or the path of a .keras file to train further.",
    )
    maker.parameter(
        QgsProcessingParameterNumber("epochs", "Epochs", INTEGER, EPOCHS, False, 1),
        "Number of times that each sample is used. Training ends earlier if the validation loss no longer falls.",
    )

    patch_size = f"coalesce(@patchsize, {PATCH_SIZE})"
    given, made = Source.fromModelParameter, Source.fromChildOutput
    maker.step(
        "samples",
        "otbtf:labelimagesampleselection",
        {
            "INREF": given("labels"),
            "STRATEGY": "atmost",
            "STRATEGY_CONSTANT_NB": Source.fromExpression(f"coalesce(@samples, {SAMPLES})"),
            "PAD": Source.fromExpression(f"floor({patch_size} / 2)"),
            "SEED": 0,
        },
    )
    maker.step(
        "patches",
        "otbtf:patchesextraction",
        {
            "SOURCE1_IL": given("images"),
            "SOURCE1_PATCHSIZEX": Source.fromExpression(patch_size),
            "SOURCE1_PATCHSIZEY": Source.fromExpression(patch_size),
            "VEC": made("samples", "OUTVEC"),
            "FIELD": "class",
        },
    )
    maker.step(
        "training",
        "otbtf:tensorflowmodeltrain",
        {
            "MODEL_DIR": Source.fromExpression(f"coalesce(@network, '{NETWORK}')"),
            "TRAINING_SOURCE1_IL": made("patches", "SOURCE1_OUT"),
            "TRAINING_SOURCE2_IL": made("patches", "OUTLABELS"),
            "TRAINING_BATCHSIZE": 64,
            "TRAINING_EPOCHS": Source.fromExpression(f"coalesce(@epochs, {EPOCHS})"),
            "AUGMENTATION": "flips_turns",
            "REMAP_LABELS": True,
            "VALIDATION_MODE": "class",
            "VALIDATION_SHARE": 0.25,
            "SCHEDULE": "plateau",
            "PATIENCE": 15,
        },
        {"MODEL_SAVETO": "Model", "OUT_REPORT": "Report"},
    )
    maker.step(
        "map",
        "otbtf:tensorflowmodelserve",
        {
            "SOURCE1_IL": given("images"),
            "SOURCE1_RFIELDX": Source.fromExpression(patch_size),
            "SOURCE1_RFIELDY": Source.fromExpression(patch_size),
            "MODEL_DIR": made("training", "MODEL_SAVETO"),
            "MODEL_FULLYCONV": "off",
            "OUTPUT_SPCSCALE": 1,
            "OUTPUT_BV": 255,
            "PADDING": "reflect",
        },
        {"OUT": "Map"},
    )
    without_places(maker.model)
    return maker.model


def without_places(model: QgsProcessingModelAlgorithm) -> None:
    """Remove the places that dialogs suggest for outputs: they are on this machine, and QGIS asks for them where it loads it."""
    for definition in model.destinationParameterDefinitions():
        definition.setGuiDefaultValueOverride(None)


def main() -> None:
    """Make the model, check it and write it."""
    application = QgsApplication([], False)
    application.initQgis()
    from otbtf_qgis.provider import OtbtfProvider

    provider = OtbtfProvider()
    QgsApplication.processingRegistry().addProvider(provider)
    try:
        model = make()
        valid, problems = model.validate()
        if not valid:
            sys.exit("\n".join(problems))
        file = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
        file.parent.mkdir(exist_ok=True)
        if not model.toFile(str(file)):
            sys.exit(f"Cannot write {file}.")
        print(file)
    finally:
        QgsApplication.processingRegistry().removeProvider(provider)
        application.exitQgis()


if __name__ == "__main__":
    main()
