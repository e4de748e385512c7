"""From the parameters to what is trained: samples and network are opened, and must fit each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..base.progress import Progress
from ..errors import ParameterError, field
from ..parameters.sampleroles import SampleRole
from ..parameters.templatenames import TANIMOTO
from ..phrases import Phrase
from . import compileoptions
from .augmentation import check_augmentation
from .calibrating import check_calibration, without_validation_labels
from .classgrowth import extended
from .classlabels import ClassTable, alphas_of, balanced_weights, class_table, legend_of, missing_labels
from .detectiontargets import object_classes, warn_of_other_objects
from .knownclasses import classes_of_model, joined_legend, warn_of_other_classes
from .network import Network, fitted_shape
from .opennetwork import open_network
from .patchfacts import check_dates_of_patches, gaps_to_fill
from .samplebatches import Samples
from .samplesets import LabelCounts, SampleSets, open_sets
from .sourceroles import SourceRoles, assign_sources
from .suitedloss import suited_loss
from .targetscaling import fit_target_scaling
from .trainingtask import Task
from .valueranges import check_input_holds, check_shares

if TYPE_CHECKING:
    from ..operations.tensorflowmodeltrain import TensorflowModelTrain

_TRIED = 4  # samples that the model is tried on; no more than a batch: tiles of a series take much memory


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
    tried = min(_TRIED, parameters.batchsize)
    output = _try_output(sets.training, for_training, network, tried)
    shape = sets.training.shapes[target]
    check_augmentation(parameters.augmentation, sets.training.shapes)
    whole = sets.training.dtypes[target].kind in "iu"
    single = whole and output.bands == 1 and (len(shape) < 3 or shape[-1] == 1)
    two_values = single and set(labels(SampleRole.TRAINING, target)) <= {0, 1}
    kind = compileoptions.kind_of_target(parameters.validation_mode, parameters.loss, output, shape, two_values)
    suited = suited_loss(parameters.model_dir, output.name)
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
    elif kind == compileoptions.VALUES:
        if compileoptions.loss_name(parameters.loss, kind, output, suited) == TANIMOTO:
            for role, samples in sets.by_role.items():
                check_shares(samples, source_roles[role].target, role, progress)
        fit_target_scaling(network, sets.training, target, progress)
    ranks = {name: len(size) for name, size in network.inputs.items()}
    alpha = alphas_of(sets.training, for_training.inputs)
    objects = object_classes(sets, source_roles) if kind == compileoptions.DETECTION else ()
    warn_of_other_objects(objects, parameters.model_dir, output.name, progress)
    task = Task(
        source_roles,
        kind,
        output,
        table,
        weights,
        network.dtypes,
        ranks,
        parameters.augmentation,
        alpha,
        gaps,
        objects,
        suited,
    )
    if parameters.calibrate:
        check_calibration(task)
        if not set(labels(SampleRole.VALIDATION, source_roles[SampleRole.VALIDATION].target)) - {
            parameters.ignored_label
        }:
            raise without_validation_labels()
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


def _try_output(samples: Samples, sources: SourceRoles, network: Network, tried: int) -> compileoptions.TrainedOutput:
    """Try the model on a number of samples, and return what its output is."""
    import tensorflow as tf

    network.check_inputs(
        {name: (SampleRole.TRAINING.mention("il", key), samples.shapes[key]) for key, name in sources.inputs.items()}
    )
    batch = next(iter(samples.feed(min(tried, samples.size)).data))
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
    each = zip(table.values, table.names)
    shown = Phrase(", ").join(Phrase("{name}: {count}", name=name, count=counts.get(value, 0)) for value, name in each)
    progress.info(Phrase("Classes and their labels for training: {shown}.", shown=shown))
    return balanced_weights(table, counts) if parameters.class_weights == "balanced" else {}


def _named(table: ClassTable, labels: Sequence[int]) -> str:
    names = dict(zip(table.values, table.names))
    return ", ".join(str(label) if names[label] == str(label) else f"{label} ({names[label]})" for label in labels)
