"""Looking into a `.keras` file before Keras loads it.

A `.keras` file is a zip with config.json (which layers, and their settings), metadata.json and
model.weights.h5. The caller loads it with `keras.models.load_model(path, compile=False,
safe_mode=True)`. In Keras 3.15 that refuses Python code in the file (`__lambda__`), Lambda,
TFSMLayer and TorchModuleWrapper layers, vocabularies read from other files, weights linked to other
files, and modules other than Keras's own; custom layers load only if this process has registered
them, such as OTBTF's.

It does not refuse everything: measured with 3.15, a public function of Keras that is no part of a
model (`keras.utils.plot_model`, `keras.datasets.mnist.load_data`) still loads as an activation, and
is called with a tensor. And Keras 3.10, the last for Python 3.9, lacks several of the guards above.
So `check_keras_file` reads config.json itself and lets through only modules that models are made of.

What is left: bugs in Keras's own layers and, before Keras 3.13, in how it reads the weights (HDF5
links to other files); a model that uses up memory or time.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import ModelError

_HDF5 = {".h5", ".hdf5"}
_PICKLED = {".pkl", ".pickle", ".joblib", ".pt", ".pth"}
_PARTS = ("config.json", "metadata.json", "model.weights.h5")

_REFUSED = {
    "__lambda__": "Python code",
    "Lambda": "Python code",
    "TorchModuleWrapper": "a pickle",
    "TFSMLayer": "another model's path",
    "JaxLayer": "Python code",
    "FlaxLayer": "Python code",
}
"""Class names that stand for what safe mode cannot hold, with what they bring."""

_FUNCTIONS = {"activations", "constraints", "initializers", "losses", "metrics", "ops", "regularizers"}
_CLASSES = _FUNCTIONS | {"dtype_policies", "layers", "models", "optimizers", "quantizers", "random", "src"}
"""The parts of Keras whose functions, and whose classes, models are made of."""


def check_keras_file(path: str) -> None:
    """Check that `path` is a `.keras` file whose configuration names only what models are made of.

    Nothing of the model is loaded or run.

    Args:
        path: the file.

    Raises:
        ModelError: the file is of a kind that runs code when it is loaded (HDF5, pickle), or no
            `.keras` file, or damaged, or it names functions or layers that could do more than compute.
    """
    suffix = Path(path).suffix.lower()
    if suffix in _HDF5:
        raise ModelError(
            f"{path} is not loaded: a Keras model in HDF5 can hold Python code that runs on loading. Where you trust "
            f"it, convert it with keras.models.load_model({Path(path).name!r}).save('model.keras'), or set TRUST_MODEL."
        )
    if suffix in _PICKLED:
        raise ModelError(
            f"{path} is not loaded: it is a pickle, which runs Python code on loading. "
            f"Export the model as a SavedModel folder or a .keras file where it was made."
        )
    if suffix != ".keras":
        raise ModelError(f"{path} is no model file that is known here: give a SavedModel folder or a .keras file.")
    offences = list(dict.fromkeys(_offences(_configuration(path))))
    if offences:
        raise ModelError(
            f"{path} is not loaded, since it could do more than compute: {'; '.join(offences[:5])}. A model is a "
            f"program: set TRUST_MODEL to load it all the same if you know who made it."
        )


def _configuration(path: str) -> Any:
    """Return what config.json holds."""
    try:
        with zipfile.ZipFile(path) as archive:
            missing = [part for part in _PARTS if part not in archive.namelist()]
            if missing:
                raise ModelError(
                    f"{path} is not a .keras file, or is damaged: it lacks {', '.join(missing)}. Save the model again "
                    f"with model.save('model.keras') of Keras 3."
                )
            return json.loads(archive.read("config.json"))
    except FileNotFoundError as error:
        raise ModelError(f"{path} does not exist.") from error
    # Whatever the zip module and JSON make of damaged bytes: bad marks, checksums, encodings, depth, encryption.
    except (OSError, zipfile.BadZipFile, ValueError, EOFError, RecursionError, RuntimeError) as error:
        raise ModelError(
            f"{path} is not a .keras file, or is damaged ({error}). Save or copy the model again."
        ) from error


def _offences(configuration: Any) -> Iterator[str]:
    """Yield what is wrong with any of the objects that the configuration describes."""
    waiting = [configuration]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(item)
        elif isinstance(item, dict):
            waiting.extend(item.values())
            if "class_name" in item:
                yield from _object_offences(item)


def _object_offences(described: dict[str, Any]) -> Iterator[str]:
    name, module, config = str(described["class_name"]), described.get("module"), described.get("config")
    if name in _REFUSED:
        yield f"{name} ({_REFUSED[name]})"
    package, _, rest = str(module or "").partition(".")
    allowed = _FUNCTIONS if name == "function" else _CLASSES
    if package.startswith("keras") and rest and rest.split(".")[0] not in allowed:
        yield f"{module}.{config if name == 'function' else name} (no part of a model)"
    if isinstance(config, dict) and isinstance(config.get("vocabulary"), str):
        yield f"{name} (reads {config['vocabulary']})"
