"""Sessions of ONNX Runtime: where a model is computed, by how many threads, and in which memory."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import ModelError, ParameterError, field
from ..machine.devices import on_gpu
from ..phrases import Phrase
from .onnxwalk import OnnxContent

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
"""What computes. It is always named: what the runtime offers may include a provider that sends images to a cloud."""

_FOLDER = "session.model_external_initializers_file_folder_path"
_KNOWS_FOLDER = (1, 22)
"""The runtime's first version that takes a model's folder where it gets the model as bytes."""

_NUMBER = re.compile(r"^\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ")
_NO_MEMORY = re.compile(r"bad_alloc|bad allocation|Failed to allocate memory|out of memory", re.IGNORECASE)


def runtime() -> Any:
    """Return the package onnxruntime.

    Raises:
        ModelError: this Python has none.
    """
    known = "onnxruntime" in sys.modules
    try:
        module = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise ModelError(
            "An ONNX model needs ONNX Runtime (the package onnxruntime), which {executable} does not have or cannot load "
            "({error}): run otbtf:installengine with {extras}=onnx.",
            executable=sys.executable,
            error=error,
            extras=field("extras"),
        ) from error
    if not known:
        module.disable_telemetry_events()
    return module


def version() -> tuple[int, ...]:
    """Return the runtime's version, as far as it is numbers."""
    return tuple(int(part) for part in re.findall(r"\d+", runtime().__version__)[:3])


class Sessions:
    """Makes sessions of one model on one device.

    Attributes:
        remarks: what the user should know about the device, found when a session was made.
    """

    def __init__(self, place: Path, content: OnnxContent, device: str) -> None:
        """Choose what computes.

        Args:
            place: the model's file, which has been checked.
            content: what it holds.
            device: as DEVICE.

        Raises:
            ParameterError: a GPU is asked for, but this runtime has none.
        """
        self._place, self._content, self._device = place, content, device
        self.remarks: list[str] = []
        self._providers = self._chosen()

    def _chosen(self) -> list[Any]:
        offered = runtime().get_available_providers()
        word, number = self._device.strip().lower().partition(":")[::2]
        if word == "cpu":
            return [CPU]
        if CUDA in offered:
            _load_cuda()
            options = {"device_id": number or "0", "arena_extend_strategy": "kSameAsRequested"}
            return [(CUDA, options), CPU]
        if word == "gpu":
            raise self._no_gpu(Phrase("the package onnxruntime of this engine is for the CPU only"))
        if on_gpu(self._device):
            self._fell_back(Phrase("the package onnxruntime of this engine is for the CPU only"))
        return [CPU]

    def _no_gpu(self, why: str) -> ParameterError:
        return ParameterError(
            "{device} is {given!r}, but ONNX Runtime cannot compute on a GPU: {why}. Run otbtf:installengine with {gpu} and "
            "{extras}=onnx, or set {device} to auto or cpu.",
            device=field("device"),
            given=self._device,
            why=why,
            gpu=field("gpu"),
            extras=field("extras"),
        )

    def _fell_back(self, why: str) -> None:
        told = Phrase(
            "ONNX Runtime computes the model {path} on the CPU instead of the GPU, which is slower: {why}.",
            path=self._place,
            why=why,
        )
        if told not in self.remarks:
            self.remarks.append(told)

    def session(self, more: Sequence[str] = ()) -> Any:
        """Return a session.

        Args:
            more: values inside the graph that are outputs of the session, in addition to the model's own.

        Raises:
            ModelError: the runtime does not take the model.
            ParameterError: a GPU is asked for, but cannot be used.
        """
        found = self._made(more)
        if CUDA in map(_name, self._providers) and CUDA not in found.get_providers():
            why = Phrase("the libraries of CUDA and cuDNN that it needs, or the GPU, were not found")
            if self._device.strip().lower().startswith("gpu"):
                raise self._no_gpu(why)
            self._fell_back(why)
        found.disable_fallback()
        return found

    def computed_by(self, session: Any) -> str:
        """Return what computes a session, for the log."""
        if CUDA in session.get_providers():
            return Phrase(
                "a GPU ({device}), ONNX Runtime {version}", device=self._device, version=runtime().__version__
            )
        return Phrase(
            "the CPU, {threads} threads, ONNX Runtime {version}", threads=threads(), version=runtime().__version__
        )

    def _made(self, more: Sequence[str]) -> Any:
        options = self._options()
        model: str | bytes = str(self._place)
        if more or not self._content.external:
            # What was checked: a file may change meanwhile.
            model = self._place.read_bytes() + b"".join(map(_as_output, more))
            if self._content.external:
                options.add_session_config_entry(_FOLDER, str(self._place.absolute().parent))
                if version() < _KNOWS_FOLDER:
                    raise ModelError(
                        "{name} is not an output of the model {path}, and ONNX Runtime {version} returns values inside a "
                        "graph only where the weights are in the same file: export the model as a single file.",
                        name=more[0],
                        path=self._place,
                        version=runtime().__version__,
                    )
        try:
            return runtime().InferenceSession(model, options, providers=self._providers)
        except Exception as error:  # the runtime raises classes of its own, which have no other base
            raise self._refused(error) from error

    def _options(self) -> Any:
        options = runtime().SessionOptions()
        options.log_severity_level = 4  # what fails is raised
        options.intra_op_num_threads = threads()
        options.inter_op_num_threads = 1
        # Reading and writing go on beside it: threads that wait must not keep a processor busy.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.load_model_format", "ONNX")
        # An arena keeps the largest tile's memory, out of the run's budget, and hides from measurements what a tile takes.
        options.enable_cpu_mem_arena = False
        return options

    def _refused(self, error: Exception) -> ModelError:
        content = self._content
        return ModelError(
            "ONNX Runtime {version} cannot load the model {path}: {reason} The file has opset {opset} and IR version "
            "{ir_version}, written by {producer}. Export the model with operators and an opset that this version knows, or "
            "install a newer engine.",
            version=runtime().__version__,
            path=self._place,
            reason=reason(error),
            opset=", ".join(f"{domain} {number}".strip() for domain, number in content.opsets.items()),
            ir_version=content.ir_version,
            producer=content.producer or "?",
        )


def threads() -> int:
    """Return the threads of the run: those that TensorFlow was given, else one for each processor of this process."""
    import tensorflow as tf

    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(tf.config.threading.get_intra_op_parallelism_threads()) or own


def reason(error: Exception) -> str:
    """Return what the runtime says, in one line."""
    return _NUMBER.sub("", " ".join(str(error).split()))[:600].rstrip(".") + "."


def run(session: Any, outputs: Sequence[str], feeds: dict[str, Any]) -> list[Any]:
    """Compute outputs, as arrays.

    Raises:
        MemoryError: there is not enough memory.
        ValueError: the model does not take what is fed.
    """
    try:
        found: list[Any] = session.run(list(outputs), feeds)
    except Exception as error:  # noqa: BLE001 - the runtime raises classes of its own
        if _NO_MEMORY.search(str(error)):
            raise MemoryError(reason(error)) from None
        raise ValueError(reason(error)) from None
    return found


def _name(provider: Any) -> str:
    return str(provider if isinstance(provider, str) else provider[0])


def _load_cuda() -> None:
    """Load CUDA's libraries from TensorFlow's packages, where the runtime can (1.21 and later)."""
    preload = getattr(runtime(), "preload_dlls", None)
    if preload is not None:
        preload()


def _as_output(name: str) -> bytes:
    """Return bytes that, behind a model's, make a value inside its graph an output: protobuf merges both graphs."""
    return _field(7, _field(12, _field(1, name.encode())))


def _field(number: int, content: bytes) -> bytes:
    size, length = len(content), b""
    while size > 0x7F:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content
