"""The files that a model consists of."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..errors import ModelError, field
from ..parameters.templatenames import template_of
from ..phrases import Phrase
from .onnxwalk import DamagedFile, read_content

PROGRAM = "saved_model.pb"
"""The file of a SavedModel that holds its graphs."""

KERAS_INSIDE = Path("assets.extra", "model.keras")
"""Where a trained SavedModel keeps the Keras model that it was exported from; TensorFlow ignores the folder."""

_POINTER = b"version https://git-lfs.github.com/spec/"
_POINTER_BYTES = 1024
"""Largest size of a Git LFS pointer, in bytes."""

_HDF5 = b"\x89HDF\r\n\x1a\n"


def model_place(path: str) -> Path:
    """Return what a model's path stands for: the folder where it names the saved_model.pb inside."""
    place = Path(path)
    return place.parent if place.name in (PROGRAM, "saved_model.pbtxt") else place


def model_files(place: Path) -> list[Path]:
    """Return the files of a model that make its values.

    They are a SavedModel's program, variables and assets, a `.keras` file, or an `.onnx` file with those in its folder that
    it takes values from.

    Args:
        place: as `model_place` returns it.
    """
    if not place.is_dir():
        return [place, *(_beside(place) if is_onnx(place) else [])] if place.exists() else []
    inside = [file for folder in ("variables", "assets") for file in (place / folder).rglob("*") if not file.is_dir()]
    return sorted([*(file for file in place.glob("saved_model.pb*") if file.is_file()), *inside])


def is_onnx(place: Path) -> bool:
    """Return whether a model is an ONNX file, going by its name."""
    return place.suffix.lower() == ".onnx"


def _beside(place: Path) -> list[Path]:
    """Return the files that an ONNX file takes values from; what is refused when it is loaded is left out."""
    try:
        names = {item.location for item in read_content(place).external}
        files = sorted(place.parent / name for name in names if external_offence(place.parent, name) is None)
    except (DamagedFile, OSError):
        return []
    return [file for file in files if file.is_file()]


def external_offence(folder: Path, location: str) -> str | None:
    """Return what is wrong with the name of a file that an ONNX file takes values from; None where it may.

    Args:
        folder: that of the ONNX file.
        location: the name, as it is written there.
    """
    if not location or "\0" in location:
        return Phrase("it names no file")
    if "_ORT_MEM_ADDR_" in location:  # which ONNX Runtime takes for an address in memory
        return Phrase("it stands for an address in memory")
    if location[0] in "/\\" or re.match("[A-Za-z]:", location):
        return Phrase("the path is absolute")
    if ".." in re.split(r"[/\\]", location):
        return Phrase("the path leaves the folder")
    if not (folder / location).resolve().is_relative_to(folder.resolve()):
        return Phrase("a link leads out of the folder")
    return None


def split_tags(text: str) -> list[str]:
    """Return the tags of a graph, written with spaces or commas between them; `serve` where there are none."""
    return [tag for tag in re.split(r"[\s,]+", text) if tag] or ["serve"]


def check_whole(path: Path, kind: str) -> None:
    """Check that a file of a model is one, and not what stands for it.

    Args:
        path: the file.
        kind: what it shall be, with its article, for the error.

    Raises:
        ModelError: it does not exist, is empty, a pointer of Git LFS, or an HDF5 file under another name.
    """
    start = _start(path)
    check_no_pointer(path, kind)
    found = ""
    if not start:
        found = Phrase("it is empty, as after an interrupted copy or download. Copy the model again")
    elif path.suffix.lower() == ".keras" and start.startswith(_HDF5):
        found = Phrase(
            "it is an HDF5 file, as Keras 2 wrote them under this name too. HDF5 can hold Python code that runs on "
            "loading: where you trust it, rename it to {stem}.h5, load it with the Keras that made it, and write it "
            "as a SavedModel with model.export('folder')",
            stem=path.stem,
        )
    if found:
        raise ModelError("{path} is not {kind}, or is damaged: {found}.", path=path, kind=kind, found=found)


def check_no_pointer(path: Path, kind: str) -> None:
    """Check that a file is not one of Git LFS that only stands for it; see `check_whole`.

    Raises:
        ModelError: it is, or cannot be read.
    """
    start = _start(path)
    if start.startswith(_POINTER) and len(start) < _POINTER_BYTES:
        raise ModelError(
            "{path} is not {kind}, or is damaged: it is a pointer of Git LFS, which stands for the file in a "
            "repository. Run `git lfs pull` in the clone, or download the file itself from the repository's web "
            "page.",
            path=path,
            kind=kind,
        )


def _start(path: Path) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(_POINTER_BYTES)
    except FileNotFoundError as error:
        raise ModelError("{path} does not exist.", path=path) from error
    except OSError as error:
        raise ModelError("{path} cannot be read: {reason}.", path=path, reason=error.strerror) from error


def read_saved_model(folder: str) -> Any:
    """Return the SavedModel message in `folder`.

    Raises:
        ModelError: there is none, or it is damaged.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    path = Path(folder) / PROGRAM
    if not path.is_file():
        if path.with_suffix(".pbtxt").exists():
            raise ModelError(
                "The model in {folder} is a saved_model.pbtxt, which is not checked and therefore not loaded: save "
                "it again as saved_model.pb (as_text=False), or set {trust_model} if you trust its author.",
                folder=folder,
                trust_model=field("trust_model"),
            )
        raise ModelError(
            "{folder} is not a SavedModel: it holds no saved_model.pb. Choose the folder that contains it, or a "
            ".keras file.",
            folder=folder,
        )
    check_whole(path, Phrase("a SavedModel"))
    saved_model = saved_model_pb2.SavedModel()
    try:
        saved_model.ParseFromString(path.read_bytes())
    except (DecodeError, OSError) as error:
        raise ModelError(
            "{path} is not a SavedModel, or is damaged ({error}). Export the model again.", path=path, error=error
        ) from error
    if not saved_model.meta_graphs:
        raise ModelError(
            "{path} is not a SavedModel, or is damaged: it holds no graph. Export the model again.", path=path
        )
    for file in (Path(folder) / "variables").glob("*"):
        check_no_pointer(file, Phrase("a file of variables"))
    return saved_model


def keras_file(model_dir: str) -> Path | None:
    """Return the file of the Keras model: MODEL_DIR, or the one in the SavedModel's folder; None where there is none."""
    place = model_place(model_dir)
    if place.is_dir():
        return place / KERAS_INSIDE if (place / KERAS_INSIDE).is_file() else None
    return None if place.suffix in (".pb", ".pbtxt") else place


def is_keras(model_dir: str) -> bool:
    """Return whether MODEL_DIR is a template, or holds a Keras model; a TensorFlow 1 graph is neither.

    Raises:
        ParameterError: it does not exist.
    """
    return template_of(model_dir) is not None or keras_file(model_dir) is not None
