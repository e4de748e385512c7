"""What a warm engine keeps of one run for the next: models, and what was traced and measured of them.

Loading and tracing a model, and measuring what it takes, is most of the time of a small run. A model whose files
have changed since is loaded anew.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ..models.loading import load_model
from ..models.model import Model
from ..operations.tensorflowmodelserve import ServedModel
from .compute import Compute
from .devices import Scope
from .sources import Feeds, OpenSource

MOST_MODELS = 3
"""How many models are kept, the last ones used."""

MOST_BYTES = 1 << 30
"""How large the files of all kept models may be, together: about what they hold in memory."""

Value = TypeVar("Value")


@dataclass
class LoadedModel:
    """A model, and what runs with it have found and made.

    Attributes:
        model: the model.
        bytes: size of its files.
        seconds: that computing takes in all runs with it, as far as that was measured.
        found: see `once`.
    """

    model: Model
    bytes: int
    seconds: float = 0.0
    found: dict[Any, Any] = field(default_factory=dict)

    def once(self, key: Any, make: Callable[[], Value]) -> Value:
        """Return what `make` returned when it was first called for `key`."""
        if key not in self.found:
            self.found[key] = make()
        value: Value = self.found[key]
        return value

    def compute(
        self, feeds: Feeds, outputs: Sequence[str], sources: Sequence[OpenSource], scope: Scope
    ) -> tuple[Any, Compute]:
        """Return the traced model for what is fed and asked, and a key that stands for these."""
        key = (
            tuple(outputs),
            tuple(info.name for info in feeds.inputs),
            tuple((name, value.dtype.str, value.shape, value.tobytes()) for name, value in feeds.constants.items()),
            tuple((source.stack.bands, source.stack.dtype.str) for source in sources),
        )
        return key, self.once(key, lambda: Compute(self.model, feeds, outputs, sources, scope))


_kept: OrderedDict[Any, LoadedModel] = OrderedDict()
_lock = threading.Lock()


def loaded_model(parameters: ServedModel, scope: Scope) -> LoadedModel:
    """Return the model that `parameters` name, loaded now or by an earlier run.

    Raises:
        ModelError: see `load_model`.
    """
    path, tags, trust = parameters.model_dir, parameters.model_tagsets, parameters.trust_model
    files = _files(Path(path))
    key = (tuple(files), tags, trust, parameters.device)
    with _lock:
        known = _kept.pop(key, None)
    if known is None:
        with scope():
            known = LoadedModel(load_model(path, tags, trust), sum(size for _, _, size in files))
    with _lock:
        _kept[key] = known
        while len(_kept) > MOST_MODELS or sum(each.bytes for each in _kept.values()) > MOST_BYTES:
            _kept.popitem(last=False)
    return known


def _files(path: Path) -> list[tuple[str, int, int]]:
    """Return name, time of change and size of each file of a model."""
    if path.name in ("saved_model.pb", "saved_model.pbtxt"):
        path = path.parent
    found = []
    for file in sorted(path.rglob("*")) if path.is_dir() else [path] if path.exists() else []:
        if not file.is_dir():
            status = file.stat()
            found.append((str(file.resolve()), status.st_mtime_ns, status.st_size))
    return found
