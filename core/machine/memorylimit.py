"""How much memory this process may take at most: the machine's, or less where a job's control group allows less."""

from __future__ import annotations

import contextlib
from pathlib import Path


def memory_limit(root: Path = Path("/")) -> int:
    """Return the limit in bytes.

    Args:
        root: of the file system that /proc and /sys are in.
    """
    import psutil

    return min([int(psutil.virtual_memory().total), *_limits_of_groups(root)])


def _limits_of_groups(root: Path) -> list[int]:
    """Return the limits of the control groups that this process is in, of both versions (Linux)."""
    found = []
    for file in _limit_files(root):
        with contextlib.suppress(OSError, ValueError):  # no such controller, or "max"
            found.append(int(file.read_text()))
    return found


def _limit_files(root: Path) -> list[Path]:
    files = []
    with contextlib.suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in ("", "memory"):
                top = root / "sys/fs/cgroup" / controllers
                place = top / path.lstrip("/")
                name = "memory.limit_in_bytes" if controllers else "memory.max"
                # In a container, the path is that of the host, and the limit lies at the top.
                files += [folder / name for folder in (place, *place.parents) if folder == top or top in folder.parents]
    return files
