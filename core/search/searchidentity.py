"""What a search that goes on must have in common with the one that was stopped."""

from __future__ import annotations

import json
from typing import Any

from ..operations.searchsettings import SearchSettings
from ..parameters.parsing import keys, values_of
from ..parts.partidentity import versions_identity
from ..registry import declaration
from ..tables.fileidentity import digest, inputs_identity
from ..workflows.modeltraining import INNER
from .searchchecks import models_of_trials, trial_values

_FREE = (
    *("out", "model.saveto", "out.report", "resume", "trials", "minutes", "memory", "device", "cluster", "cluster.tls"),
    *("training.usestreaming", "validation.usestreaming", "trust_model", "calibrate"),
)
"""Keys that may differ."""

_LONGEST = 300
"""Characters of a value that are kept as they are."""


def search_identity(parameters: SearchSettings) -> dict[str, str]:
    """Return it, by name; of parameters by their keys.

    The number of trials may differ, unless it decides how many epochs each has.
    """
    free = _FREE if parameters.method == "random" else tuple(name for name in _FREE if name != "trials")
    given = {name: value for name, value in values_of(parameters).items() if name not in free}
    known = {key.name: key for key in keys(type(parameters), given)}
    found = {known[name].parameter: _text(value) for name, value in given.items()}
    found["the files of samples and models"] = digest(json.dumps(_files(parameters), sort_keys=True))[:12]
    return {**found, **versions_identity("TensorFlow", "Keras")}


def _files(parameters: SearchSettings) -> dict[str, str]:
    values = trial_values(parameters)
    found: dict[str, str] = {}
    for model in models_of_trials(parameters):
        given = {**values, "model.dir": model}
        found.update(inputs_identity(keys(declaration(INNER), given), given, parameters.out))
    return found


def _text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... {digest(text)[:12]}"
