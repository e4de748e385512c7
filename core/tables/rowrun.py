"""One row, run: in this process, or on a worker, to which it travels as text."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base.addresses import masked
from ..base.progress import Progress, Quiet, Reworded
from ..base.temporaries import scratch_folder
from ..errors import Cancelled, NothingInsideError, OtbtfError
from ..parameters.kinds import Content
from ..parameters.parsing import keys
from ..parts.partidentity import versions_identity
from ..phrases import Phrase, decoded, encoded, plain
from ..registry import declaration
from ..tablefiles.table import Scaling
from ..workflows.nestedruns import run_nested
from .fileidentity import digest, inputs_identity
from .rowcalls import RowCall
from .viewopening import opened_view
from .views import View


@dataclass(frozen=True)
class RowTask:
    """A row to run, as it travels.

    Attributes:
        number: of the row, from 1.
        name: what it is called in messages, as `phrases.encoded` has it.
        operation: its name.
        values: the operation's values as JSON.
        views: how rasters are read that are not taken as they are, by path, as JSON.
        texts: files that are made for the row alone: keys to content, as JSON.
        words: keys to what stands for them in messages, as JSON; see `nestedruns.run_nested`.
    """

    number: int
    name: Any
    operation: str
    values: str
    views: str = "{}"
    texts: str = "{}"
    words: str = "{}"

    @classmethod
    def of(cls, call: RowCall, operation: str) -> RowTask:
        """Return the task of a call."""
        views = {path: dataclasses.asdict(view) for path, view in call.views.items()}
        return cls(
            call.row.number,
            encoded(call.name),
            operation,
            *(json.dumps(part, sort_keys=True) for part in (call.values, views, dict(call.texts))),
        )

    @classmethod
    def of_text(cls, text: str) -> RowTask:
        """Return the task that `text` was made of."""
        return cls(**json.loads(text))

    def text(self) -> str:
        """Return the task as one text, which any scheduler can carry."""
        return json.dumps(dataclasses.asdict(self))

    @property
    def called(self) -> str:
        """What it is called in messages."""
        return decoded(self.name)

    def given(self) -> dict[str, Any]:
        """Return the operation's values, as they were given."""
        values: dict[str, Any] = json.loads(self.values)
        return values

    def opened(self, progress: Progress) -> dict[str, Any]:
        """Return the operation's values, with the rasters opened that are not taken as they are.

        Raises:
            RasterError: one cannot be opened as its item describes it.
        """
        values, ways = self.given(), self.ways()
        for key in keys(declaration(self.operation), values):
            value = values.get(key.name)
            if ways and key.kind.content is Content.RASTER and value is not None and not key.kind.is_output:
                opened = [
                    opened_view(item, ways[item], progress) if item in ways else item
                    for item in (value if isinstance(value, list) else [value])
                ]
                values[key.name] = opened if isinstance(value, list) else opened[0]
        return values

    def ways(self) -> dict[str, View]:
        """Return how rasters are read, by path."""
        return {path: _view(told) for path, told in json.loads(self.views).items()}

    def identity(self, run: str) -> str:
        """Return what tells whether the row would be computed again in the same way: product, operation, values, inputs.

        Args:
            run: stands for the run of the table.
        """
        values, ways = self.given(), self.ways()
        known = keys(declaration(self.operation), values)
        masks = tuple(view.mask for view in ways.values() if view.mask)
        files = inputs_identity(known, values, run, masks)
        own = (self.operation, masked(self.values), masked(self.views), self.texts)
        return digest(*versions_identity().values(), *own, json.dumps(files, sort_keys=True))


@dataclass(frozen=True)
class RowOutcome:
    """What has become of a row.

    Attributes:
        number: of the row.
        results: of the operation, by key: paths, numbers and texts; empty where it failed.
        seconds: that it took.
        identity: see `RowTask.identity`.
        error: why it failed; empty where it did not.
        empty: whether it has nothing to add: no feature, point, labelled pixel or pixel with data lies in its image.
        kept: whether an earlier run has done it.
    """

    number: int
    results: Mapping[str, Any]
    seconds: float
    identity: str = ""
    error: str = ""
    empty: bool = False
    kept: bool = False


def run_row(task: RowTask, progress: Progress, run: str, memory: int | None = None) -> RowOutcome:
    """Run a row, in a context of its own: what it opens and copies is let go with it.

    Its errors are part of the outcome, whatever they are: the other rows do not depend on it.

    Args:
        task: the row.
        progress: of the row.
        run: stands for the run of the table.
        memory: MB that it may take unless it says so itself; None for the operation's default.

    Raises:
        Cancelled: `progress` asked to stop.
    """
    began = time.monotonic()

    def of_row(message: str) -> str:
        return Phrase("{row}: {message}", row=task.called, message=message)

    identity = ""
    try:
        identity = task.identity(run)
        results = contextvars.Context().run(_run, task, memory, Reworded(Quiet(progress), of_row))
        return RowOutcome(task.number, results, time.monotonic() - began, identity)
    except Cancelled:
        raise
    except NothingInsideError as error:
        return RowOutcome(task.number, {}, time.monotonic() - began, identity, error.phrase, empty=True)
    except OtbtfError as error:
        why = error.phrase
    except Exception as error:  # noqa: BLE001 - a fault of ours or of a library must not end the other rows
        why = Phrase("{kind}: {error}", kind=type(error).__name__, error=error)
    return RowOutcome(task.number, {}, time.monotonic() - began, error=plain(why))


def _run(task: RowTask, memory: int | None, progress: Progress) -> dict[str, Any]:
    values = task.opened(progress)
    known = keys(declaration(task.operation), values)
    if memory is not None and "ram" not in values and any(key.name == "memory" for key in known):
        values.setdefault("memory", memory)
    texts: dict[str, str] = json.loads(task.texts)
    with scratch_folder() if texts else contextlib.nullcontext(Path()) as folder:
        for name, text in texts.items():
            values[name] = str(folder / name)
            (folder / name).write_text(text, encoding="utf-8")
        results = run_nested(task.operation, values, json.loads(task.words), progress)
    return {name: _plain(value) for name, value in results.items()}


def _plain(value: Any) -> Any:
    """Return a result as JSON can hold it."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float) or hasattr(value, "__float__"):
        return float(value) if math.isfinite(float(value)) else None
    return str(value)


def _view(told: dict[str, Any]) -> View:
    scalings = tuple(Scaling(**each) for each in told["scalings"])
    return View(scalings, told["nodata"], told["mask"], tuple(told["without"]))
