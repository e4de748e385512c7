"""RunTable on workers: the same results as in this process, whatever the workers are."""

from __future__ import annotations

import concurrent.futures
import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_cluster
from osgeo import gdal
from polygon_scene import Log, X, box, layer, raster, samples

import otbtf_qgis
from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.cluster.pools import opened_pool
from otbtf_qgis.core.cluster.tasks import Tasks
from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.tables.rowrun import RowTask


@pytest.fixture
def rows(tmp_path: Path) -> dict[str, Any]:
    """Ten rows, one of which is bad."""
    lines = ["IL,OUT"]
    for number in range(1, 11):
        raster(tmp_path / f"{number}.tif", np.full((2, 2), number))
        lines.append(f"{number if number != 4 else 'none'}.tif,out{number}.tif")
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    table = {"operation": "BandMath", "table": str(tmp_path / "t.csv"), "parameters": "EXP=im1b1*3"}
    return {**table, "out": str(tmp_path / "r.csv")}


def _values(rows: dict[str, Any], number: int) -> str:
    folder = Path(rows["out"]).parent
    return json.dumps({"il": [str(folder / f"{number}.tif")], "exp": "im1b1", "out": str(folder / f"x{number}.tif")})


def check(rows: dict[str, Any], cluster: Any) -> None:
    folder = Path(rows["out"]).parent
    log = Log()
    found = registry.run("RunTable", {**rows, "cluster": cluster}, log)
    assert (found["done"], found["failed"]) == (9, 1)
    for number in (1, 2, 3, 5, 6, 7, 8, 9, 10):
        assert gdal.Open(str(folder / f"out{number}.tif")).ReadAsArray().max() == 3 * number
    with open(rows["out"], encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    assert [row["row"] for row in listed if row["status"] == "failed"] == ["4"]
    assert "none.tif" in listed[3]["error"]
    assert log.done[-1] == 1.0
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    assert registry.run("RunTable", {**rows, "cluster": cluster, "resume": True}, log)["kept"] == 9


def test_rows_run_on_threads(rows: dict[str, Any]) -> None:
    with concurrent.futures.ThreadPoolExecutor(3) as executor:
        check(rows, executor)


@pytest.fixture(scope="module")
def address() -> Any:
    pytest.importorskip("distributed")
    with small_cluster.dask_cluster() as cluster:
        yield str(cluster.scheduler_address)


def test_rows_run_on_a_cluster(rows: dict[str, Any], address: str) -> None:
    check(rows, address)


def test_samples_are_shared_out_on_a_cluster(tmp_path: Path, address: str) -> None:
    lines = ["in,out"]
    for number in range(4):
        raster(tmp_path / f"{number}.tif", np.zeros((10, 10)), x=X + 100 * number)
        lines.append(f"{number}.tif,{number}.gpkg")
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    vec = layer(tmp_path / "v.gpkg", [(1, box(5, 0, 35, 4)), (2, box(2, 5, 38, 9))])
    given = f"VEC={vec} FIELD=class STRATEGY=constant STRATEGY_CONSTANT_NB=50 SAMPLER=random RAND=1"
    values = {"operation": "SampleSelection", "table": str(tmp_path / "t.csv"), "parameters": given, "merge": True}
    registry.run("RunTable", {**values, "cluster": address, "out": str(tmp_path / "r.csv")}, Log())
    labels = [row[2] for row in samples(tmp_path / "r.merged.gpkg")]
    assert (labels.count(1), labels.count(2)) == (50, 50)


def test_a_cluster_that_is_none_is_refused(rows: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match="CLUSTER is 'two'"):
        registry.run("RunTable", {**rows, "cluster": "two"}, Log())
    with pytest.raises(ParameterError, match="CLUSTER_TLS is given, but CLUSTER is empty"):
        registry.run("RunTable", {**rows, "cluster.tls": "/tmp"}, Log())


def test_a_row_that_kills_its_worker_is_told_and_the_others_are_done(rows: dict[str, Any], address: str) -> None:
    tasks = [RowTask(number, f"Row {number}", "BandMath", _values(rows, number)) for number in (1, 2, 3)]
    found: dict[int, str] = {}
    failed: list[str] = []
    names = {task.text(): task.name for task in tasks}
    with opened_pool(address, "", Path(rows["out"]).parent, Progress()) as pool:
        Tasks(
            small_cluster.kills_at_row_two,
            names,
            dict.fromkeys(names, 1.0),
            lambda text, outcome: found.update({outcome.number: str(outcome.error)}),
            lambda text, error: failed.append(str(error)),
        ).run(pool, Progress())
    assert found == {1: "", 3: ""}
    assert len(failed) == 1
    assert failed[0].startswith("Row 2 killed its workers")


BAD_ROWS = (3, 77, 150)


def test_200_rows_on_two_workers_are_killed_in_the_middle_and_resumed(tmp_path: Path, address: str) -> None:
    raster(tmp_path / "one.tif", np.ones((1, 1)))
    lines = [f"{'none' if number in BAD_ROWS else 'one'}.tif,{number}.tif" for number in range(1, 201)]
    (tmp_path / "t.csv").write_text("\n".join(["IL,OUT", *lines]) + "\n")
    given = {
        "operation": "BandMath",
        "table": str(tmp_path / "t.csv"),
        "parameters": "EXP=im1b1*2",
        "cluster": "local:2",
    }
    given["out"] = str(tmp_path / "r.csv")
    script = tmp_path / "run.py"
    script.write_text(
        f"from otbtf_qgis.core import registry\nif __name__ == '__main__':\n    registry.run('RunTable', {given!r})\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(otbtf_qgis.__file__).absolute().parents[1])}
    process = subprocess.Popen([sys.executable, str(script)], env=environment, cwd=tmp_path)
    journal = tmp_path / "r.csv.journal"
    while process.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < 80):
        time.sleep(0.01)
    process.kill()
    process.wait()
    noted = [json.loads(line) for line in journal.read_text().splitlines() if line.endswith("}")]
    before = {path: Path(path).stat().st_mtime_ns for line in noted for path in line["outputs"]}
    assert 80 <= len(before) < 197

    found = registry.run("RunTable", {**given, "cluster": address, "resume": True}, Log())
    assert (found["rows"], found["done"], found["kept"], found["failed"]) == (200, 197, len(before), 3)
    assert {path: Path(path).stat().st_mtime_ns for path in before} == before
    with open(tmp_path / "r.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(int(row["row"]) for row in rows if row["status"] == "failed") == BAD_ROWS
    assert all("none.tif" in rows[number - 1]["error"] for number in BAD_ROWS)
    assert {gdal.Open(str(tmp_path / f"{number}.tif")).ReadAsArray().item() for number in (1, 76, 200)} == {2}


def test_rows_on_workers_begin_no_clusters_of_their_own(rows: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("SOURCE1_IL,OUT\n1.tif,x.tif\n")
    given = {
        **rows,
        "operation": "TensorflowModelServe",
        "parameters": "MODEL_DIR=m CLUSTER=local:2",
        "cluster": "local:2",
    }
    with pytest.raises(ParameterError, match="CLUSTER is given, and so it is for TensorflowModelServe in Row 1"):
        registry.run("RunTable", given, Log())
