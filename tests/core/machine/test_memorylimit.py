"""How much memory a job may take."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from otbtf_qgis.core.machine.memorylimit import memory_limit

MB = 1 << 20


def test_this_machine() -> None:
    assert 0 < memory_limit() <= psutil.virtual_memory().total


@pytest.mark.parametrize(
    ("groups", "files", "limit"),
    [
        ("0::/slurm/job_7/step_0\n", {"slurm/job_7/memory.max": str(300 * MB), "memory.max": "max"}, 300 * MB),
        ("0::/slurm/job_7\n", {"slurm/memory.max": str(200 * MB), "slurm/job_7/memory.max": "max"}, 200 * MB),
        ("0::/kubepods/pod1\n", {"memory.max": str(100 * MB)}, 100 * MB),
        ("4:memory:/job\n3:cpu:/job\n", {"memory/job/memory.limit_in_bytes": str(50 * MB)}, 50 * MB),
        ("0::/\n", {"memory.max": "max"}, None),
        ("0::/\n", {}, None),
    ],
)
def test_groups(tmp_path: Path, groups: str, files: dict[str, str], limit: int | None) -> None:
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "cgroup").write_text(groups)
    for name, text in files.items():
        file = tmp_path / "sys" / "fs" / "cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    assert memory_limit(tmp_path) == (psutil.virtual_memory().total if limit is None else limit)
