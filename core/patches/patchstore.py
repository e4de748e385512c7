"""Patches between the order in which they are read and the order in which they are written."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import RasterError, field


class PatchStore:
    """Holds `count` patches of one shape; they come in any order and are taken in theirs.

    Up to a limit they stay in memory, beyond it they go to a file.
    """

    def __init__(self, count: int, shape: tuple[int, int, int], dtype: np.dtype, file: Path | None) -> None:
        """Make room.

        Args:
            count: number of patches.
            shape: height, width and bands of a patch.
            dtype: of its pixels.
            file: where to keep them; None for memory.

        Raises:
            RasterError: the file cannot be made.
        """
        self.count, self._shape, self._dtype = count, shape, np.dtype(dtype)
        self._size = int(np.prod(shape)) * self._dtype.itemsize
        self._memory: np.ndarray | None = None
        self._file: BinaryIO | None = None
        self._path = file
        if file is None:
            self._memory = np.empty((count, *shape), self._dtype)
            return
        try:
            self._file = open(file, "w+b", buffering=0)  # noqa: SIM115, closed with the store
            self._file.truncate(count * self._size)
        except OSError as error:
            raise self._failed(error) from error

    def put(self, indices: np.ndarray, patches: np.ndarray) -> None:
        """Keep patches, of shape (n, height, width, bands), under their numbers.

        Raises:
            RasterError: the disk is full.
        """
        if self._memory is not None:
            if len(indices) == indices[-1] - indices[0] + 1 and (np.diff(indices) == 1).all():
                self._memory[indices[0] : indices[-1] + 1] = patches
            else:
                self._memory[indices] = patches
            return
        assert self._file is not None  # nosec B101 (tells mypy)
        order = np.argsort(indices, kind="stable")
        indices = indices[order]
        breaks = np.flatnonzero(np.diff(indices) != 1) + 1
        data = np.ascontiguousarray(patches[order])
        try:
            for start, end in zip([0, *breaks.tolist()], [*breaks.tolist(), len(indices)]):
                self._file.seek(int(indices[start]) * self._size)
                _write_all(self._file, data[start:end].data.cast("B"))
        except OSError as error:
            raise self._failed(error) from error

    def get(self, start: int, end: int) -> np.ndarray:
        """Return the patches from number `start` to `end` (not included)."""
        if self._memory is not None:
            return self._memory[start:end]
        assert self._file is not None  # nosec B101 (tells mypy)
        self._file.seek(start * self._size)
        raw = bytearray((end - start) * self._size)
        view, done = memoryview(raw), 0
        while done < len(raw):
            got = self._file.readinto(view[done:])  # type: ignore[attr-defined]
            if not got:
                raise RasterError("The temporary file of patches is shorter than it should be: is the disk full?")
            done += got
        return np.frombuffer(raw, self._dtype).reshape(end - start, *self._shape)

    def close(self) -> None:
        """Give memory and file back; more than once does no harm."""
        self._memory = None
        if self._file is not None and self._path is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)

    def _failed(self, error: OSError) -> RasterError:
        megabytes = self.count * self._size / 1e6
        return RasterError(
            "Cannot keep {count} patches ({megabytes:.0f} MB) in a temporary file beside the output: {reason}. Make "
            "room on that disk, or raise {memory}.",
            count=self.count,
            megabytes=megabytes,
            reason=error.strerror,
            memory=field("memory"),
        )


def _write_all(file: BinaryIO, data: memoryview) -> None:
    done = 0
    while done < len(data):
        done += file.write(data[done:])
