"""docs/examples/fcnn, from the scene to the map."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from serving import read

import otbtf_qgis

pytest.importorskip("keras")
pytest.importorskip("osgeo")

from distributed_training import LIMIT, free_ports

EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "fcnn"
SIZE, PATCH = 256, 32


@pytest.fixture(scope="module")
def example() -> Iterator[Any]:
    """The scripts of the example as modules."""
    sys.path.append(str(EXAMPLE))
    names = ("network", "cut_patches", "make_records", "train", "serve")
    yield SimpleNamespace(**{name: __import__(name) for name in names})
    sys.path.remove(str(EXAMPLE))
    for name in names:
        del sys.modules[name]


@pytest.fixture(scope="module")
def prepared(example: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scene, patches images, TFRecords, and a network trained on each."""
    folder = tmp_path_factory.mktemp("fcnn")
    tree = Path(otbtf_qgis.__path__[0]).parent
    # TensorFlow first, as a script may: its SQLite must not get into GDAL's way.
    program = "import sys, tensorflow; from otbtf_qgis import core; core.run('CreateExampleData', eval(sys.argv[1]))"
    values = {"outdir": str(folder / "data"), "size": SIZE}
    subprocess.run([sys.executable, "-c", program, repr(values)], cwd=tree, check=True, timeout=LIMIT)
    example.cut_patches.cut(folder / "data", folder / "patches", PATCH)
    example.make_records.make(folder / "patches", folder / "records", 8)
    few = ["--epochs", "2", "--batch-size", "4"]
    example.train.main(["--patches", str(folder / "patches"), *few, str(folder / "patches.keras")])
    environment = {"PYTHON": sys.executable, "PYTHONPATH": str(tree), "PORT": str(free_ports(2)[0])}
    done = subprocess.run(
        [str(EXAMPLE / "two_workers.sh"), str(folder / "records"), str(folder / "records.keras"), *few],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
    )
    assert "Epoch 2/2" in done.stdout and "records.keras" in done.stdout, done.stderr
    return folder


def test_patches_have_their_labels(example: Any, prepared: Path) -> None:
    dataset, validation = example.train.from_patches(prepared / "patches", 32, seed=1)
    [(inputs, targets)] = dataset
    assert tuple(inputs["image"].shape) == (32, PATCH, PATCH, 4)
    assert set(np.unique(targets["cover"])) <= {*range(example.network.CLASSES), example.network.NO_LABEL}
    assert targets["cover"].shape == (32, PATCH, PATCH)
    assert sum(len(targets["cover"]) for _, targets in validation) == 32
    records, _ = example.train.from_records(prepared / "records", 32, workers=2)
    [(again, _)] = records
    np.testing.assert_allclose(np.sum(again["image"]), np.sum(inputs["image"]), rtol=1e-6)


@pytest.mark.parametrize("name", ["patches.keras", "records.keras"])
def test_map_without_seams(example: Any, prepared: Path, tmp_path: Path, name: str) -> None:
    image = str(prepared / "data" / "xs_10m.tif")
    served = {}
    for way, options in {"tiled": {"tilesizex": 48, "tilesizey": 48}, "whole": {"disabletiling": True}}.items():
        out = str(tmp_path / f"{way}.tif")
        example.serve.serve(
            str(prepared / name), image, out, **{f"optim__{key}": value for key, value in options.items()}
        )
        served[way] = read(out)
    rows, columns, bands = served["tiled"].shape
    assert bands == example.network.CLASSES
    crop = (SIZE - rows) // 2
    assert crop in (16, 32, 64) and rows == columns, "probing chose an output with a crop"
    np.testing.assert_allclose(served["tiled"], served["whole"][:rows, :columns], atol=1e-5)
    np.testing.assert_allclose(served["tiled"].sum(axis=-1), 1, atol=1e-5)
