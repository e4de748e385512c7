"""What is learned: how the samples become inputs and target of the network, and its output what is scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..classes.modelclasses import Classes
from ..parameters.detectionmaps import GEOMETRY
from ..parameters.sampleroles import SampleRole
from . import compileoptions
from .augmentation import augment
from .classlabels import ClassTable
from .losses import class_numbers
from .network import Network, fitted_shape
from .patchfacts import Gaps
from .samplebatches import Change
from .scoring import ClassTally, HeatTally, Tally, ValueTally
from .sourceroles import SourceRoles


@dataclass(frozen=True)
class Task:
    """What is learned: which source is what, and how the target is read.

    Attributes:
        source_roles: what each source is, by role of the samples.
        kind: of the target, `class`, `rmse` or `detection`.
        output: the output that is trained.
        table: the classes; None for values.
        weights: of the classes in the loss, by number; empty where all count the same.
        dtypes, ranks: of the model's inputs by name.
        augmentation: what is done to each sample.
        alpha: by name of the input, what bands marked as alpha were when its patches were cut.
        gaps: by role of the samples, the missing values that the model knows by another value.
        objects: the classes of a detector, in the order of its heat maps; empty for others.
        suited_loss: what LOSS=auto stands for where it fits the target; empty where nothing is known of the model.
    """

    source_roles: Mapping[SampleRole, SourceRoles]
    kind: str
    output: compileoptions.TrainedOutput
    table: ClassTable | None
    weights: Mapping[int, float]
    dtypes: Mapping[str, str]
    ranks: Mapping[str, int]
    augmentation: str
    alpha: Mapping[str, str]
    gaps: Mapping[SampleRole, Gaps]
    objects: Classes = ()
    suited_loss: str = ""

    @property
    def detects(self) -> bool:
        """Whether a detector is trained."""
        return self.kind == compileoptions.DETECTION

    def change(self, role: SampleRole, augmented: bool) -> Change:
        """Return what turns a batch of sources into (inputs, target).

        Args:
            role: of the samples.
            augmented: True to flip and turn the samples.
        """
        target = self.source_roles[role].target

        def turned(batch: dict[str, Any], seed: Any) -> Any:
            if augmented and self.augmentation != "none":
                batch = augment(batch, self.augmentation, seed, target if self.detects else "")
            return self._inputs(batch, role), self._target(batch[target])

        return turned

    def _inputs(self, batch: Mapping[str, Any], role: SampleRole) -> dict[str, Any]:
        """Return the tensors of a batch by the model's input."""
        import tensorflow as tf

        found = {}
        for key, name in self.source_roles[role].inputs.items():
            tensor = batch[key]
            if key in self.gaps[role]:
                gap, filled = self.gaps[role][key]
                tensor = tf.cast(tensor, self.dtypes[name])
                tensor = tf.where(tensor == tf.cast(gap, tensor.dtype), tf.cast(filled, tensor.dtype), tensor)
            shape = fitted_shape(tensor.shape[1:], self.ranks[name] - 1)
            found[name] = tf.cast(tf.reshape(tensor, (-1, *shape)), self.dtypes[name])
        return found

    def _target(self, tensor: Any) -> Any:
        import tensorflow as tf

        if self.table is not None:
            return tf.reshape(self.table.numbers(tensor), (-1, *self.output.shape[:-1]))
        if self.detects:
            return tf.cast(tensor, tf.float32)
        return tf.reshape(tf.cast(tensor, tf.float32), (-1, *self.output.shape))

    def tally(self) -> Tally:
        """Return what counts the scores; of a detector, those of its heat maps."""
        if self.detects:
            return HeatTally(self.output.bands - len(GEOMETRY))
        return ValueTally() if self.table is None else ClassTally(self.table)

    def predicted(self, output: Any) -> Any:
        """Return what the tally takes, of the model's output; of classes, -1 where the output is NaN."""
        if self.table is None:
            return output
        import tensorflow as tf

        numbers = class_numbers(output, not self.output.probabilities)
        lost = tf.reduce_any(tf.math.is_nan(tf.cast(output, tf.float32)), axis=-1)
        return tf.where(lost, tf.cast(-1, numbers.dtype), numbers)


def predictor(network: Network, task: Task, data: Any) -> Any:
    """Return a function of a batch of inputs that gives what the tally takes; traced once.

    Args:
        network: the network.
        task: what is learned.
        data: a tf.data.Dataset whose batches it will take.
    """
    import tensorflow as tf

    def predict(inputs: Any) -> Any:
        return task.predicted(network.trained(inputs, training=False))

    return tf.function(predict, input_signature=[data.element_spec[0]])
