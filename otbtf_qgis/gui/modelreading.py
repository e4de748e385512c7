"""What a model is, for the dialogs: from its sidecar, else from the engine. Called in background tasks."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.base.progress import Passed, Progress
from ..core.errors import Cancelled, EngineError, ModelError, OtbtfError
from ..core.models.detectorsummary import DetectorSummary, detector_summary
from ..core.models.identity import Identity, identity
from ..core.models.modelfiles import keras_file, model_files, model_place, split_tags
from ..core.models.modelsummary import ModelSummary, item_summary, sidecar_summary
from ..core.models.sidecar import sidecar_path

_POLL = 0.1  # seconds between two looks at whether a request was given up


class EngineBusy(Exception):
    """A run uses the engine, and the model can only be read by it."""


@dataclass(frozen=True)
class ChosenModel:
    """A model as a dialog names it.

    Attributes:
        path: its folder or file.
        reading: what decides how it is read, by DescribeModel's keys, as texts.
    """

    path: str
    reading: tuple[tuple[str, str], ...] = ()

    @property
    def tags(self) -> list[str]:
        """The tags of its graph."""
        return split_tags(dict(self.reading).get("model.tagsets", ""))


@dataclass(frozen=True)
class Found:
    """What is known of a model.

    Attributes:
        summary: what it is.
        whole: whether more cannot be had; if not, its geometry is still to be found.
        graph: whether training runs it as a TensorFlow 1 graph.
        detector: what is known of a detector; None for other models.
    """

    summary: ModelSummary
    whole: bool
    graph: bool
    detector: DetectorSummary | None = None


_Known = tuple[Identity, tuple[tuple[str, str], ...], str]


class ModelReading:
    """Reads models for all dialogs, and remembers what it has found.

    Args:
        provider: runs DescribeModel in the engine.
    """

    def __init__(self, provider: Any) -> None:
        self._provider = provider
        self._found: dict[_Known, ModelSummary | OtbtfError] = {}
        self._engine = threading.Lock()

    def read(self, chosen: ChosenModel, probed: bool, progress: Progress) -> Found:
        """Return what a model is.

        Without a sidecar inputs and outputs take a second or two; the geometry of a deep network takes its time, and is
        found if it is asked for.

        Args:
            chosen: the model.
            probed: whether the geometry is asked for.
            progress: asked to stop.

        Raises:
            OtbtfError: there is no such model, it is refused, or there is no engine to read it.
            EngineBusy: only the engine can tell, and it is busy with a run.
            Cancelled: `progress` asked to stop.
        """
        model, graph = _identity(chosen), keras_file(chosen.path) is None
        summary = sidecar_summary(chosen.path, chosen.tags)
        if summary is not None:
            return Found(summary, True, graph, detector_summary(summary, chosen.path))
        whole: _Known = (model, chosen.reading, "fast")
        key: _Known = whole if probed or whole in self._found else (model, chosen.reading, "none")
        found = self._found.get(key)
        if found is None:
            found = self._ask_engine(chosen, key[-1], progress)
            self._found[key] = found
        if isinstance(found, OtbtfError):
            raise found
        return Found(found, key == whole, graph, detector_summary(found, chosen.path))

    def _ask_engine(self, chosen: ChosenModel, probing: str, progress: Progress) -> ModelSummary | OtbtfError:
        """Return what DescribeModel finds in the engine, or why it refuses the model."""
        while not self._engine.acquire(timeout=_POLL):  # another dialog's request, or one that was just given up
            progress.check()
        try:
            if self._provider.runs_in_engine():
                raise EngineBusy
            return self._describe(chosen, probing, _GivesWay(progress, self._provider))
        except Cancelled:
            progress.check()
            raise EngineBusy from None  # a run has begun meanwhile
        except EngineError:
            raise
        except OtbtfError as error:
            return error
        finally:
            self._engine.release()

    def _describe(self, chosen: ChosenModel, probing: str, progress: Progress) -> ModelSummary:
        with tempfile.TemporaryDirectory() as folder:
            item = Path(folder, "model.json")
            own: Mapping[str, str] = {"model.dir": chosen.path, "out.json": str(item), "probing": probing}
            values = {**own, **dict(chosen.reading)}
            self._provider.run_in_engine("DescribeModel", values, progress, lambda: None)
            return item_summary(item)


class _GivesWay(Passed):
    """Gives up once a run has begun beside it, which needs the engine's memory and processors."""

    def __init__(self, to: Progress, provider: Any) -> None:
        super().__init__(to)
        self._provider, self._gave_way = provider, False

    def cancelled(self) -> bool:
        """Return True once the request is given up, or a run has begun."""
        self._gave_way = self._gave_way or self._provider.runs_in_engine() > 1
        return super().cancelled() or self._gave_way

    def info(self, message: str) -> None:
        """Leave the line out: nobody has asked for a log."""

    def warning(self, message: str) -> None:
        """Leave the line out."""


def _identity(chosen: ChosenModel) -> Identity:
    """Return which model it is.

    Raises:
        ModelError: there is none.
    """
    place = model_place(chosen.path)
    try:
        if not place.exists():
            raise ModelError("{chosen} does not exist.", chosen=chosen.path)
        if not model_files(place) and not sidecar_path(chosen.path).is_file():
            raise ModelError(
                "{chosen} holds no model: choose the folder of a SavedModel, a .keras file or an .onnx file.",
                chosen=chosen.path,
            )
        return identity(chosen.path, chosen.tags)
    except OSError as error:
        raise ModelError("{chosen} cannot be read: {reason}.", chosen=chosen.path, reason=error.strerror) from error
