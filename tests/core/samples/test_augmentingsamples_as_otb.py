"""New samples come out as OTB's, recorded in tests/data/otb_sampling: equal copies, random ones with the same statistics."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import ogr
from otb_scene import AUGMENTATIONS, AUGMENTED_FEATURES, AUGMENTED_LABEL, AUGMENTED_NEIGHBORS, make_samples

from otbtf_qgis.core import registry

RECORD = Path(__file__).resolve().parents[2] / "data" / "otb_sampling"


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("samples")
    make_samples(folder)
    return str(folder / "samples.gpkg")


def augmented(source: str, out: Path, case: str, **more: Any) -> list[list[Any]]:
    given = {"in": source, "field": "class", "label": str(AUGMENTED_LABEL), "exclude": "class originfid"}
    registry.run("SampleAugmentation", {**given, **AUGMENTATIONS[case], **more, "out": str(out)})
    dataset = ogr.Open(str(out))
    fields = ("name", "class", "originfid", *AUGMENTED_FEATURES)
    return [
        [f"{f.geometry().GetX():.9g}", f"{f.geometry().GetY():.9g}", *(f[name] for name in fields)]
        for f in dataset.GetLayer(0)
    ]


def recorded(case: str) -> list[list[Any]]:
    with (RECORD / "augmented.csv").open(newline="") as file:
        rows = [row[1:] for row in csv.reader(file) if row[0] == case]
    return [[*row[:3], *map(int, row[3:5]), *map(float, row[5:])] for row in rows]


@pytest.mark.parametrize("case", ["replicate", "fewer"])
def test_copies_are_the_same(samples: str, tmp_path: Path, case: str) -> None:
    expected = recorded(case)
    assert len(expected) == int(AUGMENTATIONS[case]["samples"])
    assert augmented(samples, tmp_path / "new.gpkg", case) == expected


@pytest.mark.parametrize("case", ["jitter", "smote"])
def test_random_samples_have_the_same_statistics(samples: str, tmp_path: Path, case: str) -> None:
    rows = augmented(samples, tmp_path / "new.gpkg", case)
    assert {tuple(row[:5]) for row in rows} == {tuple(row[:5]) for row in recorded(case)}
    statistics = json.loads((RECORD / "augmented.json").read_text())[case]
    for name, values in zip(AUGMENTED_FEATURES, np.array([row[5:] for row in rows], float).T):
        mean, deviation, lowest, highest = statistics[name]
        assert values.mean() == pytest.approx(mean, abs=0.15 * deviation)  # five standard errors of the difference
        assert values.std() == pytest.approx(deviation, rel=0.08)
        assert (values.min(), values.max()) == pytest.approx((lowest, highest), abs=0.8 * deviation)


def test_mixtures_lie_between_a_sample_and_a_neighbor_in_both(samples: str, tmp_path: Path) -> None:
    dataset = ogr.Open(samples)
    own = [[f[name] for name in AUGMENTED_FEATURES] for f in dataset.GetLayer(0) if f["class"] == AUGMENTED_LABEL]
    pairs = []
    for sample in own:
        ordered = sorted(own, key=lambda other: sum((a - b) ** 2 for a, b in zip(sample, other)))
        pairs += [(sample, near) for near in ordered[1 : AUGMENTED_NEIGHBORS + 1]]
    starts, ends = np.array(pairs).transpose(1, 0, 2)
    found = augmented(samples, tmp_path / "new.gpkg", "smote", samples=100)
    rows = np.array([row[5:] for row in (*found, *recorded("smote"))])
    position = (rows[:, None, 0] - starts[:, 0]) / (ends - starts)[:, 0]
    off = np.abs(starts + position[..., None] * (ends - starts) - rows[:, None])
    between = (position > -1e-9) & (position < 1 + 1e-9)
    assert (between & (off[..., 1] < 1e-9) & (off[..., 2] <= 1)).any(axis=1).all()  # count is a whole number
