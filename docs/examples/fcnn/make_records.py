"""Write the patches of training and validation as TFRecords.

    python make_records.py PATCHES RECORDS [--per-file 16]

Workers that train together share the files: there must be as many as workers at least, better several times as many.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from otbtf_qgis import core


def make(patches: Path, records: Path, per_file: int = 16) -> None:
    """Write the folders `training` and `validation` inside `records`."""
    for name in ("training", "validation"):
        files = {source: [str(patches / f"{name}_{source}.tif")] for source in ("image", "labels")}
        dataset = core.DatasetFromPatchesImages(files, use_streaming=True)
        dataset.to_tfrecords(str(records / name), n_samples_per_shard=per_file, drop_remainder=False)
        print(f"{name}: {dataset.size} samples")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patches", type=Path)
    parser.add_argument("records", type=Path)
    parser.add_argument("--per-file", type=int, default=16)
    arguments = parser.parse_args()
    make(arguments.patches, arguments.records, arguments.per_file)
