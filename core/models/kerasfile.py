"""Looking into a `.keras` file before Keras loads it.

A `.keras` file is a zip with config.json (which layers, and their settings), metadata.json and
model.weights.h5. Keras's `safe_mode` refuses some of what a configuration can name, in each version
something else, and Keras calls whatever else it finds. So `check_keras_file` reads config.json itself
and lets through only what models are made of (see `kerasnames`), and weights that lie in the file itself.
`loadable_copy` writes what Keras then loads: the configuration as it was checked, without the
configurations for compiling, which Keras would run in nested models, and the weights and vocabularies.

What is left: bugs in Keras's own layers and in HDF5; a model that uses up memory or time.
"""

from __future__ import annotations

import json
import lzma
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..base.archives import OddArchive, check_sizes, check_unpacked, read_json
from ..base.temporaries import scratch_folder
from ..errors import ModelError, field
from ..phrases import Phrase
from .kerasnames import foreign_packages, offences, without_compile_configurations
from .modelfiles import check_whole
from .safety import listed

_HDF5 = {".h5", ".hdf5"}
_PICKLED = {".pkl", ".pickle", ".joblib", ".pt", ".pth"}
_PARTS = ("config.json", "metadata.json", "model.weights.h5")
_WEIGHTS = "model.weights.h5"
_ASSETS = "assets/"


def check_keras_file(path: str) -> Any:
    """Check that `path` is a `.keras` file whose configuration names only what models are made of.

    Nothing of the model is loaded or run.

    Args:
        path: the file.

    Returns:
        Its configuration, without configurations for compiling.

    Raises:
        ModelError: the file is of a kind that runs code when it is loaded (HDF5, pickle), or no
            `.keras` file, or damaged, or it names functions or layers that could do more than compute.
    """
    suffix = Path(path).suffix.lower()
    if suffix in _HDF5:
        raise ModelError(
            "{path} is not loaded: a Keras model in HDF5 can hold Python code that runs on loading. If you trust "
            "its author, convert it with keras.models.load_model({path2!r}).save('model.keras'), or set "
            "{trust_model}.",
            path=path,
            path2=Path(path).name,
            trust_model=field("trust_model"),
        )
    if suffix in _PICKLED:
        raise ModelError(
            "{path} is not loaded: it is a pickle, which runs Python code on loading. Export the model as a "
            "SavedModel folder or a .keras file where it was made.",
            path=path,
        )
    if suffix != ".keras":
        raise ModelError(
            "{path} is not a supported model file: choose a SavedModel folder, a .keras file or an .onnx file.",
            path=path,
        )
    configuration = _configuration(path)
    found = list(dict.fromkeys(offences(configuration)))
    if found:
        raise _refusal(path, configuration, found)
    with _archive(path) as archive, archive.open(_WEIGHTS) as weights:
        _check_links(weights, path)
    return _cleaned(path, configuration)


def trusted_configuration(path: str) -> Any:
    """Return the configuration of a `.keras` file that is not checked, without configurations for compiling.

    Raises:
        ModelError: it is no `.keras` file, or damaged.
    """
    return _cleaned(path, _configuration(path))


def _cleaned(path: str, configuration: Any) -> Any:
    try:
        cleaned = without_compile_configurations(configuration)
        json.dumps(cleaned)  # as it will be written
    except RecursionError as error:
        raise ModelError(
            "{path} is not a .keras file, or is damaged: its configuration is nested too deeply.", path=path
        ) from error
    return cleaned


def _refusal(path: str, configuration: Any, found: list[str]) -> ModelError:
    """Return the error for a configuration that is refused, named as what it is."""
    why = listed(found)
    version = keras_version(path)
    if is_keras_2(version):
        return ModelError("{path} is not loaded: {keras_2} ({why}).", path=path, keras_2=keras_2(version), why=why)
    packages = ", ".join(foreign_packages(configuration))
    if packages and _is_detector(configuration):
        return ModelError(
            "{path} is not loaded: it is a detector of the package {packages} ({why}). Export it as a SavedModel together "
            "with its decode_predictions, which makes objects of its outputs, where it was made.",
            path=path,
            packages=packages,
            why=why,
        )
    if packages and all(f"of the package {packages}" in offence for offence in found):
        here = (
            Phrase("which this engine lacks")
            if find_spec(packages) is None
            else Phrase("whose classes this engine does not check")
        )
        return ModelError(
            "{path} is not loaded: it needs the package {packages}, {here} ({why}). Export the model as a "
            "SavedModel where it was made (model.export('folder')). Or, if you trust its author, install {packages} "
            "in the engine's Python and set {trust_model}.",
            path=path,
            packages=packages,
            here=here,
            why=why,
            trust_model=field("trust_model"),
        )
    return ModelError(
        "{path} is not loaded, because it could do more than compute: {why}. A model is a program: if you trust its "
        "author, set {trust_model}.",
        path=path,
        why=why,
        trust_model=field("trust_model"),
    )


def _is_detector(configuration: Any) -> bool:
    """Return whether a model is a detector of KerasHub or KerasCV, whose decoder is none of its layers."""
    inner = configuration.get("config") if isinstance(configuration, dict) else None
    return isinstance(inner, dict) and "prediction_decoder" in inner


def is_keras_2(version: str) -> bool:
    """Return whether a version of Keras is one before Keras 3 (tf_keras has versions 2.16 and later)."""
    return version.startswith(("1.", "2."))


def keras_2(version: str) -> str:
    """Return what a `.keras` file of Keras 2 is, and what to do with it."""
    return Phrase(
        "it was written by Keras {version}, whose files Keras 3 does not read. Load it with the Keras that made it "
        "(TensorFlow 2.15 or older, or the package tf_keras), and write it as a SavedModel with "
        "model.export('folder')",
        version=version,
    )


def newer_keras(version: str) -> str:
    """Return what to tell of a file that a Keras newer than the engine's wrote; empty for any other."""
    import keras

    written, here = (re.match(r"(\d+)\.(\d+)", text) for text in (version, keras.__version__))
    if not written or not here or tuple(map(int, written.groups())) <= tuple(map(int, here.groups())):
        return ""
    return Phrase(
        "It was written by Keras {version}, which is newer than the engine's Keras {keras_version}: install the "
        "engine in a newer Python, or export the model as a SavedModel where it was made (model.export).",
        version=version,
        keras_version=keras.__version__,
    )


def keras_version(path: str) -> str:
    """Return the version of the Keras that wrote a `.keras` file; empty where it does not say."""
    try:
        with _archive(path) as archive:
            written = read_json(archive, "metadata.json").get("keras_version")
            return written.text() if written else ""
    except (ModelError, ValueError, KeyError):
        return ""


def check_weights_file(path: str) -> None:
    """Check that a `.weights.h5` file holds its weights itself.

    Raises:
        ModelError: it takes them from other files, or is damaged.
    """
    check_whole(Path(path), Phrase("a .weights.h5 file"))
    try:
        with open(path, "rb") as weights:
            _check_links(weights, path)
    except OSError as error:
        raise ModelError("{path} cannot be read ({error}). Copy the file again.", path=path, error=error) from error


def _check_links(weights: Any, path: str) -> None:
    """Refuse an HDF5 file of which a part lies in another file, or whose arrays are far larger than what it stores."""
    import h5py

    links: list[str] = []

    def look(group: Any, prefix: str) -> None:
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                links.append(
                    Phrase("{prefix}{name} is in {filename}", prefix=prefix, name=name, filename=link.filename)
                )
            elif isinstance(link, h5py.HardLink):  # a soft link leads to what a hard one leads to
                item = group[name]
                if isinstance(item, h5py.Group):
                    address = h5py.h5o.get_info(item.id).addr
                    if address not in seen:
                        seen.add(address)
                        look(item, f"{prefix}{name}/")
                elif isinstance(item, h5py.Dataset):
                    sizes.append(item.nbytes)
                    if item.external or item.is_virtual:
                        links.append(Phrase("{prefix}{name} is in another file", prefix=prefix, name=name))

    seen: set[int] = set()
    sizes: list[int] = []
    try:
        with h5py.File(weights, "r") as file:
            look(file, "")
        check_unpacked(Path(path).stat().st_size, sum(sizes))
    except OddArchive as error:
        raise ModelError(
            "{path} is not loaded: {error}. Save the model again where it was made.", path=path, error=error
        ) from error
    except (OSError, RuntimeError, KeyError, ValueError, RecursionError) as error:
        raise ModelError(
            "{path} is damaged: its weights cannot be read ({error}). Copy the model again.", path=path, error=error
        ) from error
    if links:
        raise ModelError(
            "{path} is not loaded, because its weights would be read from other files: {links}. Save the model "
            "again, with its weights inside.",
            path=path,
            links=listed(links),
        )


@contextmanager
def loadable_copy(path: str, configuration: Any) -> Iterator[str]:
    """Write a `.keras` file with another configuration; its weights and assets stay as they are.

    Args:
        path: the file.
        configuration: what config.json shall hold.

    Yields:
        The path of the copy, which is removed afterwards.

    Raises:
        ModelError: it cannot be written.
    """
    with scratch_folder() as folder:
        copy = folder / "model.keras"
        try:
            with _archive(path) as archive, zipfile.ZipFile(copy, "w") as target:
                for name in dict.fromkeys(archive.namelist()):
                    if name == "config.json":
                        target.writestr(name, json.dumps(configuration))
                    elif name in _PARTS or (name.startswith(_ASSETS) and ".." not in name.split("/")):
                        with archive.open(name) as source, target.open(name, "w", force_zip64=True) as sink:
                            shutil.copyfileobj(source, sink, 1 << 20)
        except OSError as error:
            raise ModelError(
                "{path} cannot be copied to {folder}, from where it is loaded: {reason}. Free disk space there, or "
                "set the environment variable TMPDIR to another folder.",
                path=path,
                folder=folder,
                reason=error.strerror or error,
            ) from error
        yield str(copy)


@contextmanager
def _archive(path: str) -> Iterator[zipfile.ZipFile]:
    """Open the zip; whatever reading it raises is a ModelError."""
    check_whole(Path(path), Phrase("a .keras file"))
    try:
        with zipfile.ZipFile(path) as archive:
            check_sizes(archive)
            yield archive
    except OddArchive as error:
        raise ModelError(
            "{path} is not loaded: {error}. Save the model again where it was made.", path=path, error=error
        ) from error
    # Whatever the zip module and JSON make of damaged bytes: bad marks, checksums, encodings, depth, encryption.
    except (zipfile.BadZipFile, ValueError, EOFError, RuntimeError, zlib.error, lzma.LZMAError, OSError) as error:
        if isinstance(error, OSError) and error.errno:  # the system's, not that of bz2
            raise
        raise ModelError(
            "{path} is not a .keras file, or is damaged ({error}). Save or copy the model again.",
            path=path,
            error=error,
        ) from error


def _configuration(path: str) -> Any:
    """Return what config.json holds."""
    with _archive(path) as archive:
        missing = [part for part in _PARTS if part not in archive.namelist()]
        if missing:
            raise ModelError(
                "{path} is not a .keras file, or is damaged: it lacks {missing}. Save the model again with "
                "model.save('model.keras') of Keras 3.",
                path=path,
                missing=", ".join(missing),
            )
        return read_json(archive, "config.json").value
