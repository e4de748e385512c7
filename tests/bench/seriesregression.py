"""A quantity from a time series: R2 of RegressionMap and of its forest, by how far apart what is known and unknown lie."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import inputs
import numpy as np
from kept import KeptRuns
from series import DATA, MISSING

from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress

DRAWS = 5
SIDES = {1: "single pixels", 10: "blocks of 10 x 10", 20: "blocks of 20 x 20", 33: "blocks of 33 x 33"}
"""What is held back for validation, by the side of the blocks in pixels."""


def bench_elevation(quick: bool, folder: Path) -> list[dict[str, Any]]:
    """Mean, deviation and draws of R2 of the elevation (dem.tif) from the NDVI series, with only image and values given."""
    if not DATA.is_dir():
        return [{"case": MISSING}]
    more, draws = ({"epochs": 1, "samples": 500}, 2) if quick else ({}, DRAWS)
    kept = KeptRuns("seriesregression", quick)
    rows = [row for side in SIDES for row in _rows(side, draws, more, folder, kept)]
    kept.done()
    return rows


def _rows(side: int, draws: int, more: dict[str, Any], folder: Path, kept: KeptRuns) -> list[dict[str, Any]]:
    given = {
        "in": [str(DATA / "ndvi.tif")],
        "values.raster": str(DATA / "dem.tif"),
        "validation.blocksize": side,
        "baseline": True,
        "out": str(folder / "map.tif"),
        **more,
    }

    def measured(seed: int) -> list[float]:
        result = registry.run("RegressionMap", inputs.on_device({**given, "seed": seed}), Progress())
        return [float(result[key]) for key in ("r2", "baseline_r2")]

    found = [kept.of(f"{SIDES[side]}, draw {seed + 1}", partial(measured, seed)) for seed in range(draws)]
    return [
        {
            "case": f"{name}, {SIDES[side]}",
            "R2": float(np.mean(values)),
            "deviation": float(np.std(values, ddof=1)),
            "draws": " ".join(f"{value:.2f}" for value in values),
        }
        for name, values in zip(("network", "forest"), zip(*found))
    ]
