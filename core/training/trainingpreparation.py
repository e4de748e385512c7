"""From the parameters to what is trained: samples, network, what each source is, and the classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..base.progress import Progress
from ..errors import ParameterError, field
from ..machine.memory import budget
from ..parameters.fillings import MEAN
from ..parameters.sampleroles import SampleRole
from ..parameters.templatenames import Template, template_of
from ..patches.patchesimage import read_description, without_gaps
from ..phrases import Phrase
from ..rasters.seriesbands import SeriesLayout
from ..samples.bandstatistics import BandStatistics
from ..templates.filling import is_series
from ..templates.normalization import scaling_of
from ..templates.serieslayout import layouts
from ..templates.sourceoptions import source_options, usable_statistics
from ..templates.templateoptions import Options
from . import compileoptions
from .augmentation import augment, check_augmentation
from .classgrowth import extended
from .classlabels import (
    ClassTable,
    alphas_of,
    balanced_weights,
    class_table,
    count_labels,
    legend_of,
    missing_labels,
)
from .knownclasses import classes_of_model, joined_legend, warn_of_other_classes
from .labellegends import join_labels
from .losses import class_numbers
from .network import Network, fitted_shape, load_network, make_network, restore
from .opensamples import open_samples, read_groups
from .patchfacts import Gaps, check_dates_of_patches, facts_of, gaps_to_fill
from .samplebatches import Change, PatchSamples, Samples
from .scoring import ClassTally, Tally, ValueTally
from .sourceroles import SourceRoles, assign_sources
from .targetscaling import fit_target_scaling
from .valueranges import check_input_holds

if TYPE_CHECKING:
    from ..operations.tensorflowmodeltrain import TensorflowModelTrain

_TRIED = 4  # samples that the model is tried on


@dataclass(frozen=True)
class SampleSets:
    """The samples of each role; None where there are none."""

    training: Samples
    validation: Samples | None
    test: Samples | None

    @property
    def by_role(self) -> dict[SampleRole, Samples]:
        """Those that there are."""
        every = zip(SampleRole, (self.training, self.validation, self.test))
        return {role: samples for role, samples in every if samples is not None}


class LabelCounts:
    """How often each label occurs, counted when it is asked for, and once."""

    def __init__(self, sets: SampleSets) -> None:
        self._sets = sets
        self._found: dict[tuple[SampleRole, str], Counter[int]] = {}

    def __call__(self, role: SampleRole, key: str) -> Counter[int]:
        """Return the labels that the source `key` holds in the samples of a role; see `count_labels`."""
        if (role, key) not in self._found:
            self._found[role, key] = count_labels(self._sets.by_role[role], key, role)
        return self._found[role, key]


def open_sets(parameters: TensorflowModelTrain, progress: Progress) -> SampleSets:
    """Open the samples of training, validation and test.

    Raises:
        ParameterError, RasterError, RecordsError: they cannot be read, or do not fit each other.
    """
    room = budget(parameters.memory or parameters.ram)
    training = open_samples(
        SampleRole.TRAINING,
        parameters.sources,
        parameters.training_tfrecords,
        parameters.training_usestreaming,
        room // 2,
        progress,
    )
    assert training is not None  # nosec B101 (tells mypy; the parameters were checked)
    streaming = parameters.validation_usestreaming
    validation = open_samples(
        SampleRole.VALIDATION,
        parameters.validation_sources,
        parameters.validation_tfrecords,
        streaming,
        room // 4,
        progress,
    )
    test = open_samples(
        SampleRole.TEST, parameters.test_sources, parameters.test_tfrecords, streaming, room // 4, progress
    )
    join_labels(SampleSets(training, validation, test).by_role, parameters.ignored_label, progress)
    if parameters.validation_share:
        training, validation = _hold_back(parameters, training, progress)
    found = SampleSets(training, validation, test)
    for role, samples in found.by_role.items():
        _check_like(role, samples, training)
    return found


def _hold_back(
    parameters: TensorflowModelTrain, samples: Samples, progress: Progress
) -> tuple[PatchSamples, PatchSamples]:
    if not isinstance(samples, PatchSamples):
        raise ParameterError(
            "{validation_share} is {parameters_validation_share:g}, but needs patches images, because TFRecords "
            "cannot be divided: give a folder in {validation_tfrecords}.",
            validation_share=field("validation_share"),
            parameters_validation_share=parameters.validation_share,
            validation_tfrecords=field("validation_tfrecords"),
        )
    groups = read_groups(list(parameters.validation_groups)) if parameters.validation_groups else None
    parts = samples.hold_back(parameters.validation_share or 0.0, groups, parameters.seed)
    progress.info(
        Phrase(
            "Held back for validation: {size} of {samples_size} {samples_size:sample|samples}.",
            size=parts[1].size,
            samples_size=samples.size,
        )
    )
    return parts


def _check_like(role: SampleRole, samples: Samples, training: Samples) -> None:
    """Raise ParameterError where samples have other sources, or other patch sizes, than those for training."""
    if len(samples.keys) != len(training.keys):
        raise ParameterError(
            "There are {keys_count} sources for {role}, but {training_keys} for training: give the same, in the "
            "same order.",
            keys_count=len(samples.keys),
            role=role,
            training_keys=len(training.keys),
        )
    for key in training.keys:
        if samples.shapes[key] != training.shapes[key]:
            here, there = (" x ".join(map(str, s.shapes[key])) for s in (samples, training))
            raise ParameterError(
                "{mention} has patches of {here} (rows, columns, bands), but {mention_il} has patches of {there}: "
                "give patches of the same size.",
                mention=role.mention("il", key),
                here=here,
                mention_il=SampleRole.TRAINING.mention("il", key),
                there=there,
            )


def open_network(
    parameters: TensorflowModelTrain, sets: SampleSets, labels: LabelCounts, progress: Progress
) -> Network:
    """Load the model, or make the template's for the bands and classes of the sources.

    Args:
        parameters: of the operation.
        sets: the samples.
        labels: counts them where they are asked for.
        progress: told what is known of the dates of a template's sources.

    Raises:
        ParameterError, ModelError: it cannot be loaded or made.
    """
    template = template_of(parameters.model_dir)
    if template is None:
        if parameters.tells:
            raise ParameterError(
                "{nodata_fill}, {dates} and {step} are for templates, but {model_dir} is {model_dir2}, a model that fills "
                "missing values as it was made to: leave them out.",
                nodata_fill=field("nodata_fill"),
                dates=field("dates"),
                step=field("step"),
                model_dir=field("model_dir"),
                model_dir2=parameters.model_dir,
            )
        network = load_network(parameters.model_dir, parameters.trust_model)
    else:
        network = make_network(template, **_template_options(template, parameters, sets, labels, progress))
        network.follow_each_epoch(-(-sets.training.size // parameters.batchsize))
    if parameters.model_restorefrom:
        restore(network, parameters.model_restorefrom, parameters.trust_model)
    return network


def _template_options(
    template: Template, parameters: TensorflowModelTrain, sets: SampleSets, labels: LabelCounts, progress: Progress
) -> dict[str, Any]:
    """What follows from the samples: bands, classes, sizes, and the scaling to mean 0 and deviation 1."""
    *images, target = sets.training.keys
    shapes = sets.training.shapes
    bands = [shapes[key][-1] for key in images]
    facts = [facts_of(sets.training, key) for key in images]
    options: dict[str, Any] = {"bands": tuple(bands)}
    options.update(source_options(template, parameters, facts, len(bands), progress))
    options.update(_statistics(template, parameters.nodata_fill, sets.training, options, progress))
    if template.loss == "sparse_categorical_crossentropy":
        counts = {role: labels(role, target) for role in sets.by_role}
        table = class_table(counts, None, parameters.remap_labels, parameters.ignored_label, {})
        options["classes"] = len(table.values)
    elif "classes" in template.takes:
        options["classes"] = shapes[target][-1]
    if "factor" in template.takes:
        options["factor"] = shapes[target][0] // shapes[images[0]][0]
    if "patch" in template.takes:
        options["patch"] = shapes[images[-1]][0]
    return options


def _statistics(
    template: Template, fill: str, samples: Samples, options: Mapping[str, Any], progress: Progress
) -> dict[str, Any]:
    """Return the scalings to mean 0 and deviation 1, of a time series for each band over its dates, and the means."""
    *images, _ = samples.keys
    series: Sequence[SeriesLayout | None] = [None] * len(images)
    if is_series(template, fill):
        given = {"bands": options["bands"], **{name: options[name] for name in ("times", "order") if options[name]}}
        series = layouts(Options(template, **given))
    rows = [
        usable_statistics(band_statistics(samples, key), layout, fill, SampleRole.TRAINING.mention("il", key), progress)
        for key, layout in zip(images, series)
    ]
    scalings = [
        scaling_of("standard", 1.0, len(found), found, SampleRole.TRAINING.mention("il", key))
        for key, found in zip(images, rows)
    ]
    means = tuple(tuple(row.get("mean") or 0.0 for row in found) for found in rows)
    return {"scalings": tuple(scalings), **({"means": means} if fill == MEAN else {})}


def band_statistics(samples: Samples, key: str) -> Sequence[Mapping[str, float | None]]:
    """Return smallest, largest, mean and standard deviation per band of one source, from its JSON or its patches."""
    if isinstance(samples, PatchSamples) and len(samples.files[key]) == 1:
        described = read_description(samples.files[key][0])
        if described.get("statistics") and described.get("patches") == samples.size:
            rows: Sequence[Mapping[str, float | None]] = described["statistics"]
            return rows
    found, gap = BandStatistics(samples.shapes[key][-1]), facts_of(samples, key).nodata
    for values in samples.values(key):
        found.add(without_gaps(values, gap))
    return found.rows()


@dataclass(frozen=True)
class Task:
    """What is learned: which source is what, and how the target is read.

    Attributes:
        source_roles: what each source is, by role of the samples.
        kind: of the target, `class` or `rmse`.
        output: the output that is trained.
        table: the classes; None for values.
        weights: of the classes in the loss, by number; empty where all count the same.
        dtypes, ranks: of the model's inputs by name.
        augmentation: what is done to each sample.
        alpha: by name of the input, what bands marked as alpha were when its patches were cut.
        gaps: by role of the samples, the missing values that the model knows by another value.
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

    def change(self, role: SampleRole, augmented: bool) -> Change:
        """Return what turns a batch of sources into (inputs, target).

        Args:
            role: of the samples.
            augmented: True to flip and turn the samples.
        """
        target = self.source_roles[role].target

        def turned(batch: dict[str, Any], seed: Any) -> Any:
            if augmented and self.augmentation != "none":
                batch = augment(batch, self.augmentation, seed)
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
        return tf.reshape(tf.cast(tensor, tf.float32), (-1, *self.output.shape))

    def tally(self) -> Tally:
        """Return what counts the scores."""
        return ValueTally() if self.table is None else ClassTally(self.table)

    def predicted(self, output: Any) -> Any:
        """Return what the tally takes, of the model's output."""
        return output if self.table is None else class_numbers(output, not self.output.probabilities)


def prepare_training(parameters: TensorflowModelTrain, progress: Progress) -> tuple[SampleSets, Network, Task]:
    """Open samples and model, and check that they fit.

    Raises:
        ParameterError, RasterError, RecordsError, ModelError: something is wrong; the message says what to do.
    """
    sets = open_sets(parameters, progress)
    labels = LabelCounts(sets)
    network = open_network(parameters, sets, labels, progress)
    source_roles = _source_roles(parameters, sets, network)
    for_training = source_roles[SampleRole.TRAINING]
    target = for_training.target
    network.choose_output(for_training.output)
    known = classes_of_model(network, parameters.model_dir, for_training.output, progress)
    if parameters.extend_classes and parameters.validation_mode != compileoptions.VALUES:
        counts = {role: labels(role, source_roles[role].target) for role in sets.by_role}
        network, known = extended(parameters, network, for_training.output, known, counts, progress)
    check_dates_of_patches(network, sets.by_role, source_roles, progress)
    gaps = gaps_to_fill(network, sets.by_role, source_roles)
    for role, samples in sets.by_role.items():
        for key, name in source_roles[role].inputs.items():
            check_input_holds(samples, key, role, name, network.dtypes[name], progress)
    output = _try_output(sets.training, for_training, network)
    shape = sets.training.shapes[target]
    check_augmentation(parameters.augmentation, sets.training.shapes)
    whole = sets.training.dtypes[target].kind in "iu"
    single = whole and output.bands == 1 and (len(shape) < 3 or shape[-1] == 1)
    two_values = single and set(labels(SampleRole.TRAINING, target)) <= {0, 1}
    kind = compileoptions.kind_of_target(parameters.validation_mode, parameters.loss, output, shape, two_values)
    table, weights = None, {}
    if kind == compileoptions.CLASSES:
        counts = {role: labels(role, source_roles[role].target) for role in sets.by_role}
        legend = legend_of(sets.training, target)
        values = [each.value for each in known]
        remap, ignored = parameters.remap_labels, parameters.ignored_label
        table = class_table(counts, max(output.bands, 2), remap, ignored, legend, values)
        if table.values == tuple(values):
            table = replace(table, legend=joined_legend(known, legend, progress))
        else:
            warn_of_other_classes(values, set().union(*counts.values()) - {ignored}, progress)
        weights = _class_weights(parameters, table, counts[SampleRole.TRAINING], progress)
    elif (
        parameters.remap_labels
        or parameters.extend_classes
        or parameters.ignored_label is not None
        or parameters.class_weights != "none"
    ):
        raise ParameterError(
            "{remap_labels}, {extend_classes}, {ignored_label} and {class_weights} are for classes, but the target holds "
            "values: leave them out, or set {validation_mode} to class.",
            extend_classes=field("extend_classes"),
            remap_labels=field("remap_labels"),
            ignored_label=field("ignored_label"),
            class_weights=field("class_weights"),
            validation_mode=field("validation_mode"),
        )
    else:
        fit_target_scaling(network, sets.training, target, progress)
    ranks = {name: len(size) for name, size in network.inputs.items()}
    alpha = alphas_of(sets.training, for_training.inputs)
    task = Task(source_roles, kind, output, table, weights, network.dtypes, ranks, parameters.augmentation, alpha, gaps)
    return sets, network, task


def _source_roles(
    parameters: TensorflowModelTrain, sets: SampleSets, network: Network
) -> dict[SampleRole, SourceRoles]:
    given = {
        SampleRole.TRAINING: [source.placeholder for source in parameters.sources],
        SampleRole.VALIDATION: [source.name for source in parameters.validation_sources],
        SampleRole.TEST: [source.name for source in parameters.test_sources],
    }
    found: dict[SampleRole, SourceRoles] = {}
    first = _padded(given[SampleRole.TRAINING], len(sets.training.keys))
    for role in sets.by_role:
        own = _padded(given[role], len(first))
        names = [name or placeholder for name, placeholder in zip(own, first)]
        found[role] = assign_sources(role, names, list(network.inputs), network.outputs)
        if found[role].output != found[SampleRole.TRAINING].output:
            raise ParameterError(
                "The target for {role} belongs to the output {output}, but the output {output2} is trained: name "
                "that output in {mention}, or none.",
                role=role,
                output=found[role].output,
                output2=found[SampleRole.TRAINING].output,
                mention=role.mention("name", found[role].target),
            )
    return found


def _padded(names: Sequence[str], count: int) -> list[str]:
    return [*names, *[""] * (count - len(names))]


def _try_output(samples: Samples, sources: SourceRoles, network: Network) -> compileoptions.TrainedOutput:
    """Try the model on some samples, and return what its output is."""
    import tensorflow as tf

    network.check_inputs(
        {name: (SampleRole.TRAINING.mention("il", key), samples.shapes[key]) for key, name in sources.inputs.items()}
    )
    batch = next(iter(samples.feed(min(_TRIED, samples.size)).data))
    inputs = {
        name: tf.cast(
            tf.reshape(batch[key], (-1, *fitted_shape(samples.shapes[key], len(network.inputs[name]) - 1))),
            network.dtypes[name],
        )
        for key, name in sources.inputs.items()
    }
    sizes = Phrase(" and ").join(" x ".join(map(str, samples.shapes[key])) for key in sources.inputs)
    found = network.try_on(inputs, sizes)
    return compileoptions.TrainedOutput(
        sources.output, tuple(found.shape[1:]), compileoptions.are_probabilities(found, network.activation)
    )


def _class_weights(
    parameters: TensorflowModelTrain, table: ClassTable, counts: Mapping[int, int], progress: Progress
) -> dict[int, float]:
    missing = missing_labels(table, counts)
    if missing:
        cure = (
            Phrase("They occur in other samples only: add training samples of them.")
            if parameters.remap_labels
            else Phrase("To number only the labels that occur, set {remap_labels}.", remap_labels=field("remap_labels"))
        )
        progress.warning(
            Phrase(
                "No training sample has the labels {named}, so the model cannot learn them. {cure}",
                named=_named(table, missing[:20]),
                cure=cure,
            )
        )
    shown = ", ".join(f"{name}: {counts.get(value, 0)}" for value, name in zip(table.values, table.names))
    progress.info(Phrase("Classes and their labels for training: {shown}.", shown=shown))
    return balanced_weights(table, counts) if parameters.class_weights == "balanced" else {}


def _named(table: ClassTable, labels: Sequence[int]) -> str:
    names = dict(zip(table.values, table.names))
    return ", ".join(str(label) if names[label] == str(label) else f"{label} ({names[label]})" for label in labels)


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
