"""Train the network, on patches images or on TFRecords, and save it for serving.

    python train.py --patches PATCHES MODEL.keras
    python train.py --records RECORDS MODEL.keras [--strategy mirrored|multiworker]

With `multiworker`, start it once per worker: see two_workers.sh and job.sbatch.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow is loaded: no notes

import keras
from network import COVER, as_samples, compiled

from otbtf_qgis import core
from otbtf_qgis.core.training.precision import precision
from otbtf_qgis.core.training.strategies import worker_of


def from_patches(folder: Path, batch_size: int, seed: int) -> tuple[Any, Any]:
    """Return batches for training and validation; the seed gives all workers the same order to share."""

    def batches(name: str, whole: bool) -> Any:
        files = {source: [str(folder / f"{name}_{source}.tif")] for source in ("image", "labels")}
        dataset = core.DatasetFromPatchesImages(files, use_streaming=True, seed=seed)
        return dataset.get_tf_dataset(batch_size, whole, preprocessing_fn=as_samples, targets_keys=[COVER])

    return batches("training", whole=True), batches("validation", whole=False)


def from_records(folder: Path, batch_size: int, workers: int) -> tuple[Any, Any]:
    """Return batches for training, shuffled, and validation."""
    sources = {"target_keys": [COVER], "preprocessing_fn": as_samples, "n_workers": workers}
    training = core.TFRecords(folder / "training").read(batch_size, shuffle_buffer_size=1000, **sources)
    return training, core.TFRecords(folder / "validation").read(batch_size, drop_remainder=False, **sources)


def main(words: Sequence[str] | None = None) -> None:
    """Train and save, as the words of the command line say."""
    arguments = parser().parse_args(words)
    strategy = core.make_strategy(arguments.strategy)  # before anything else is done with TensorFlow
    keras.utils.set_random_seed(arguments.seed)
    batch_size = arguments.batch_size * strategy.num_replicas_in_sync
    if arguments.patches:
        training, validation = from_patches(arguments.patches, batch_size, arguments.seed)
    else:
        training, validation = from_records(arguments.records, batch_size, worker_of(strategy)[1])

    with strategy.scope(), precision(arguments.mixed_precision):
        model = compiled(training.element_spec, arguments.learning_rate)
    model.summary(strategy)
    callbacks = [keras.callbacks.EarlyStopping("val_loss", patience=arguments.patience, restore_best_weights=True)]
    if arguments.backup:  # a job that was cut off goes on from here when it is started again
        callbacks.append(keras.callbacks.BackupAndRestore(arguments.backup))
    model.fit(training, epochs=arguments.epochs, validation_data=validation, callbacks=callbacks, verbose=2)
    model.save(arguments.model)
    if core.is_chief(strategy):
        crop = model.smallest_exact_crop()
        print(f"Saved {arguments.model}. What it returns is exact {crop} pixels away from the edge of a tile.")


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--patches", type=Path, help="folder that cut_patches.py wrote")
    data.add_argument("--records", type=Path, help="folder that make_records.py wrote")
    parser.add_argument("model", type=Path, help="a .keras file; another name is the folder of a SavedModel")
    parser.add_argument("--strategy", choices=("none", "mirrored", "multiworker"), default="none")
    parser.add_argument("--mixed-precision", action="store_true")
    parser.add_argument("--batch-size", type=int, default=8, help="samples for each GPU or worker")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--patience", type=int, default=10, help="epochs without a better validation")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--backup", type=Path, help="folder that all workers see")
    parser.add_argument("--seed", type=int, default=1)
    return parser


if __name__ == "__main__":
    main()
