"""The trained model as others use it: with labels of classes, as .keras and as a SavedModel, each with its sidecar."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

from ..base.progress import Progress, Quiet
from ..classes.modelclasses import Classes
from ..machine.devices import Scope
from ..models.keraslayers import ClassValues
from ..models.loading import KerasModel, load_model
from ..models.modelcalibration import Calibration
from ..models.modelfiles import KERAS_INSIDE
from ..models.modelinterface import Model
from ..models.savedmodelexport import check_exportable, export_saved_model
from ..models.servingdefaults import ServingDefaults
from ..models.sidecar import write_sidecar
from ..probing.fixedcontext import context_of_patches
from ..probing.modeldescription import Description, describe, item
from .calibrating import FittedTemperature, calibrated_tensor
from .network import Network
from .trainingtask import Task

_FEATURES = "features"
"""The layer whose output a classifier's SavedModel returns too, for other classifiers to learn from."""


class FinishedModel:
    """A network with what training has added; its weights are the network's at the time of saving.

    Attributes:
        model: the Keras model.
        classes: by output, the classes that it holds.
        calibration: of the probabilities of the trained output; None where they are uncalibrated.
        alpha: by input, what bands marked as alpha were in its patches.
        serving_defaults: what serving follows where the user says nothing.
    """

    def __init__(
        self,
        network: Network,
        task: Task,
        serving_defaults: ServingDefaults,
        patches: Mapping[str, tuple[int, int]],
        loss: str,
    ) -> None:
        """Add to a network.

        Args:
            network: that is trained.
            task: of the training.
            serving_defaults: without the size of windows, which the trained model's geometry tells.
            patches: width and height of the patches that it is trained on, by input.
            loss: that it is trained by, as LOSS names it.
        """
        self._network, self._patches, self._loss = network, patches, loss
        self.classes: dict[str, Classes] = {}
        self.alpha = task.alpha
        self.calibration: Calibration | None = None
        self._task, self._trained, self._labels = task, task.output.name, ""
        if task.table is not None:
            # First in alphabetical order, so that serving takes it by default; a layer of that name may be another's.
            self._labels = "classes" if "classes" not in network.layers else "class_labels"
            self.classes[self._labels] = task.table.described
            if task.output.bands == len(task.table.values):
                self.classes[task.output.name] = task.table.described
        if task.objects:
            self.classes[task.output.name] = task.objects
        self.model = self._complete()
        self.serving_defaults = dataclasses.replace(serving_defaults, output=self._labels or serving_defaults.output)
        self._features = task.table is not None and _FEATURES in network.layers

    def _complete(self) -> keras.Model:
        """Return the network with the labels of its classes, and the probabilities of these calibrated if they are."""
        network, table = self._network, self._task.table
        tensors = {name: network.tensor(name) for name in network.outputs}
        if table is not None:
            # From the uncalibrated probabilities: rounding may make two calibrated ones equal.
            layer = ClassValues(table.values, logits=not self._task.output.probabilities, name=self._labels)
            tensors[self._labels] = layer(network.trained_tensor)
        if self.calibration is not None:
            tensors[self._trained] = calibrated_tensor(network, self.calibration.temperature)
        return keras.Model(network.input_tensors, tensors, name=network.whole.name)

    def calibrate(self, found: FittedTemperature) -> None:
        """Let the probabilities of the trained output be those at a temperature, if one was found."""
        self.calibration = found.calibration
        self.model = self._complete()

    def check_exportable(self) -> None:
        """Raise ModelError where the model, trained or not, cannot be exported as a SavedModel."""
        check_exportable(KerasModel(self._network.whole.name, self.model), self._exported)

    def save(self, path: Path) -> None:
        """Write the model as a .keras file."""
        self._network.adopt_trained_weights()
        with _unfrozen(self.model):
            self.model.save(path)

    def describe(self, path: Path, scope: Scope, progress: Progress) -> Description:
        """Write the sidecar of a .keras file that `save` wrote, and return its description."""
        described = self._describe(load_model(str(path), trust=True), scope, progress)  # its layers ran already
        geometry = next((found for found in described.geometries if found.output == self._trained), None)
        if geometry is not None and (size := self._patches.get(geometry.inputs[0])):
            context = context_of_patches(geometry, *size) or self.serving_defaults.context
            self.serving_defaults = dataclasses.replace(self.serving_defaults, context=context)
        write_sidecar(str(path), self._item(described, self.alpha, self.serving_defaults))
        return described

    def _item(self, described: Description, alpha: Mapping[str, str], defaults: ServingDefaults) -> dict[str, Any]:
        """Return what is written to the sidecar."""
        losses = {self._trained: self._loss}
        return item(described, self.classes, ".", alpha, defaults, self.calibration, losses)

    @property
    def _exported(self) -> list[str]:
        """Names of what a SavedModel returns."""
        return sorted({*self.model.output_names, *([_FEATURES] if self._features else [])})

    def _describe(self, model: Model, scope: Scope, progress: Progress) -> Description:
        """Describe the outputs; the labels see what the probabilities see, of which they are the largest."""
        names = [name for name in self._exported if name != self._labels]
        described = describe(model, names, scope, Quiet(progress), probing="fast")
        outputs = list(described.outputs)
        for probabilities in described.outputs:
            if self._labels and probabilities.info.name == self._trained:
                geometry = probabilities.geometry
                geometry = dataclasses.replace(geometry, output=self._labels) if geometry else None
                info = model.output(self._labels)
                outputs.append(dataclasses.replace(probabilities, info=info, geometry=geometry))
        return dataclasses.replace(described, outputs=tuple(sorted(outputs, key=lambda output: output.info.name)))

    def export(self, folder: Path, keras_file: Path, described: Description, scope: Scope, progress: Progress) -> None:
        """Write the model as a SavedModel with its sidecar; the .keras file goes with it, to be trained again.

        Args:
            folder: to be made.
            keras_file: what `save` wrote.
            described: what `describe` returned.
            scope: the device.
            progress: asked to stop where the SavedModel has to be described anew.
        """
        renamed = export_saved_model(KerasModel(str(keras_file), self.model), self._exported, (), folder)
        made = load_model(str(folder), trust=True)
        if renamed:
            described = self._describe(made, scope, progress)
        alpha = {renamed.get(name, name): kind for name, kind in self.alpha.items()}
        defaults = self.serving_defaults.exported(self._exported, renamed)
        made_now = dataclasses.replace(described, model=made)
        write_sidecar(str(folder), self._item(made_now, alpha, defaults))
        (folder / KERAS_INSIDE).parent.mkdir(exist_ok=True)
        shutil.copyfile(keras_file, folder / KERAS_INSIDE)


@contextmanager
def _unfrozen(model: Any) -> Iterator[None]:
    """Let all layers be trainable meanwhile: FREEZE is for this run, and Keras would save it."""
    frozen = [layer for layer in model._flatten_layers(include_self=False) if not layer.trainable]
    for layer in frozen:
        layer.trainable = True
    try:
        yield
    finally:
        for layer in frozen:
            layer.trainable = False
