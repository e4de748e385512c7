"""Whether an output is the older one, the new one, or neither."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
from osgeo import gdal

RASTERS = (".tif", ".png", ".img")


def digest(path: Path) -> str:
    """Return a hash of a file, or of a folder with all that is in it."""
    found = hashlib.sha256()
    files = sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]
    for file in files:
        found.update(str(file.relative_to(path)).encode() + b"\0" + file.read_bytes())
    return found.hexdigest()


def pixels(path: Path | str) -> np.ndarray:
    """Return all bands of a raster.

    Raises:
        RuntimeError: GDAL complained, if only by a warning.
    """
    complaints: list[str] = []
    gdal.PushErrorHandler(lambda kind, number, message: complaints.append(message))
    try:
        dataset = gdal.Open(str(path))
        array = None if dataset is None else dataset.ReadAsArray()
    finally:
        gdal.PopErrorHandler()
    if array is None or complaints:
        raise RuntimeError(f"{path}: {complaints}")
    return array


def is_complete(path: Path, like: Path) -> bool:
    """Return whether an output is whole, judged by that of a run that nobody disturbed.

    Pixels and records are compared. What a training writes differs from run to run, so that it is read in full.
    """
    if path.is_dir() != like.is_dir():
        return False
    if path.is_dir():
        return _is_whole_folder(path, like)
    if path.suffix in RASTERS:
        return _same_pixels(path, like)
    if path.suffix == ".keras":
        return _is_whole_archive(path)
    if path.suffix == ".json":
        return _keys(path) == _keys(like)
    if path.suffix == ".csv":
        return path.read_text().count("\n") == like.read_text().count("\n")
    if path.suffix == ".html":
        return path.read_text(encoding="utf-8").rstrip().endswith("</html>")
    return path.read_bytes() == like.read_bytes()


def _is_whole_folder(path: Path, like: Path) -> bool:
    names = {str(item.relative_to(path)) for item in path.rglob("*")}
    if names != {str(item.relative_to(like)) for item in like.rglob("*")}:
        return False
    if "saved_model.pb" in names:
        return _is_whole_model(path)
    return all(is_complete(path / name, like / name) for name in names if (path / name).is_file())


def _is_whole_model(path: Path) -> bool:
    import tensorflow as tf

    try:
        tf.saved_model.load(str(path))
    except Exception:  # noqa: BLE001 (TensorFlow raises all sorts of them)
        return False
    return True


def _is_whole_archive(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except zipfile.BadZipFile:
        return False


def _same_pixels(path: Path, like: Path) -> bool:
    try:
        return np.array_equal(pixels(path), pixels(like))
    except RuntimeError:
        return False


def _keys(path: Path) -> set[str] | None:
    try:
        return set(json.loads(path.read_text(encoding="utf-8")))
    except ValueError:
        return None
