"""Files that only this process has (GDAL's /vsimem/), copied for the engine, which is another one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from osgeo import gdal

from ..core.base.progress import Progress
from ..core.errors import RasterError
from ..core.files.gdalcalls import collected_errors

PREFIX = "/vsimem/"
_PART = 1 << 24  # bytes copied at a time


@dataclasses.dataclass(frozen=True)
class MemoryRaster:
    """A raster in /vsimem/, to be copied by the thread that runs the algorithm.

    Attributes:
        source: how a request would name it.
        folder: where the copy goes.
    """

    source: str | dict[str, Any]
    folder: str

    def write(self, progress: Progress) -> str | dict[str, Any]:
        """Copy its files and return how a request names the copy.

        Raises:
            RasterError: it cannot be opened or copied.
            Cancelled: the user asked to stop.
        """
        path = str(self.source["path"] if isinstance(self.source, dict) else self.source)
        dataset = None
        with collected_errors() as errors:
            dataset = gdal.OpenEx(path, gdal.OF_RASTER)
        if dataset is None:
            raise RasterError("Cannot open the raster {path}: {errors}.", path=path, errors=errors)
        Path(self.folder).mkdir(parents=True, exist_ok=True)
        files = [file for file in dataset.GetFileList() or [path] if file.startswith(PREFIX)]
        for file in files:
            _copy(file, Path(self.folder) / Path(file).name, progress)
        copy = str(Path(self.folder) / Path(path).name)
        return {**self.source, "path": copy} if isinstance(self.source, dict) else copy


def _copy(name: str, path: Path, progress: Progress) -> None:
    source = gdal.VSIFOpenL(name, "rb")
    try:
        with path.open("wb") as target:
            while part := gdal.VSIFReadL(1, _PART, source):
                progress.check()
                target.write(part)
    except OSError as error:
        raise RasterError(
            "Cannot copy {name} to {path}: {reason}.", name=name, path=path, reason=error.strerror
        ) from error
    finally:
        gdal.VSIFCloseL(source)
