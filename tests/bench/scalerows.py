"""What a row of a table costs beside its operation, in processor time."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from osgeo import gdal
from timing import Row

from otbtf_qgis.core import registry

_REPEAT = 6


def bench_rows(quick: bool, folder: Path) -> list[Row]:
    """Rows of images of 1 x 1 pixel, in one process: a run of the table less its operations, and a run that keeps all rows.

    Of several times the least counts, since what disturbs only adds.
    """
    count = 50 if quick else 500
    lines = ["IL,OUT"]
    for number in range(count):
        _image(folder / f"{number}.tif")
        lines.append(f"{number}.tif,out{number}.tif")
    table = folder / "t.csv"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    given = {"operation": "BandMath", "table": str(table), "parameters": "EXP=im1b1*2", "out": str(folder / "r.csv")}

    def alone() -> None:
        for number in range(count):
            values = {"il": [str(folder / f"{number}.tif")], "exp": "im1b1*2", "out": str(folder / f"out{number}.tif")}
            registry.run("BandMath", values)

    works = {
        "alone": alone,
        "run": partial(registry.run, "RunTable", given),
        "kept": partial(registry.run, "RunTable", {**given, "resume": True}),
    }
    found = [{name: _taken(work) for name, work in works.items()} for _ in range(_REPEAT)]
    taken = {name: min(each[name] for each in found[1:]) for name in works}  # the first time is for warming up
    return [
        _row("a row of a table, beside its operation", (taken["run"] - taken["alone"]) / count),
        _row("a row of a table that is kept", taken["kept"] / count),
    ]


def _taken(work: Callable[[], object]) -> float:
    """Return processor seconds."""
    before = time.process_time()
    work()
    return time.process_time() - before


def _row(case: str, seconds: float) -> Row:
    return {"case": case, "who": "one process", "processor ms": 1000 * seconds}


def _image(path: Path) -> None:
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), 1, 1, 1, gdal.GDT_Byte)
    dataset.SetGeoTransform((380_000, 10, 0, 3_960_000, 0, -10))
    dataset.WriteArray(np.ones((1, 1), np.uint8))
