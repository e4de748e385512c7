"""The model cache of a warm engine: models, and what earlier runs have traced and measured.

Loading and tracing a model, and measuring what it takes, is most of the time of a small run. A model whose files
have changed since is loaded anew.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..machine.devices import Scope
from ..models.identity import identity
from ..models.inputscaling import scaled
from ..models.layout import channels_last
from ..models.loading import load_model
from ..models.modelfiles import split_tags
from ..models.modelinterface import Model
from .compute import Compute
from .sources import ModelInputs, OpenSource
from .usersettings import ModelSettings

MOST_MODELS = 3
"""Number of models in the cache, the last ones used."""

MOST_BYTES = 1 << 30
"""How large the files of all models in it may be, together: about what they hold in memory."""

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
        self, inputs: ModelInputs, outputs: Sequence[str], sources: Sequence[OpenSource], scope: Scope
    ) -> tuple[Any, Compute]:
        """Return the traced model for inputs and outputs, and a key that identifies these."""
        key = (
            tuple(outputs),
            tuple(info.name for info in inputs.images),
            tuple((name, value.dtype.str, value.shape, value.tobytes()) for name, value in inputs.constants.items()),
            tuple((source.stack.bands, source.dtype.str) for source in sources),
        )
        return key, self.once(key, lambda: Compute(self.model, inputs, outputs, sources, scope))


_models: OrderedDict[Any, LoadedModel] = OrderedDict()
_lock = threading.Lock()


def loaded_model(settings: ModelSettings, scope: Scope) -> LoadedModel:
    """Return a model, loaded now or by an earlier run.

    Raises:
        ModelError: see `load_model`.
    """
    found = identity(settings.path, split_tags(settings.tags))
    key = (found, settings.trust, settings.device, settings.scaling)
    with _lock:
        known = _models.pop(key, None)
    if known is None:
        with scope():
            model = load_model(settings.path, settings.tags, settings.trust, settings.device)
            known = LoadedModel(scaled(channels_last(model), settings.scaling), found.bytes)
    with _lock:
        _models[key] = known
        while len(_models) > MOST_MODELS or sum(each.bytes for each in _models.values()) > MOST_BYTES:
            _models.popitem(last=False)
    return known
