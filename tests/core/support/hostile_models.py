"""Models that mean harm: `.keras` files, of which each would write, read or import something if it were believed.

`files` makes one file for each pair of a place in a configuration where a name can stand and of a
name that does more than compute, and some that are wrong in another way.
"""

from __future__ import annotations

import base64
import copy
import json
import marshal
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

Json = Any

PACKAGE = "keras_hub"
"""A package that Keras imports if a file names it; the corpus has one that writes on import."""


def described(module: Any, name: Any, config: Json = None, registered: Any = None) -> dict[str, Any]:
    return {"module": module, "class_name": name, "config": config or {}, "registered_name": registered}


def function(module: Any, name: Any) -> dict[str, Any]:
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def code(canary: Path) -> dict[str, Any]:
    """Python code as Keras keeps it, which writes the canary when it is called."""
    made = compile(f"lambda *args, **more: (open({str(canary)!r}, 'w').close(), args[0])[1]", "evil", "eval").co_consts[
        0
    ]
    value = {"code": base64.b64encode(marshal.dumps(made)).decode(), "defaults": None, "closure": None}
    return {"class_name": "__lambda__", "config": {**value, "value": value}}  # as layers have it, and as others do


def names(canary: Path, evil_saved_model: Path) -> dict[str, Json]:
    """What is named, by a word for it; each does more than compute."""
    lambda_config = {"name": "evil", "function": code(canary), "arguments": {}}
    saved = {"name": "evil", "filepath": str(evil_saved_model), "call_endpoint": "serving_default"}
    return {
        "lambda": described("keras.layers", "Lambda", lambda_config),
        "dotted lambda": described("keras", "layers.Lambda", lambda_config),
        "inner lambda": described("keras.src.layers.core.lambda_layer", "Lambda", lambda_config),
        "inner package lambda": described("keras.src.layers", "Lambda", lambda_config),
        "saved model": described("keras.layers", "TFSMLayer", saved),
        "dotted saved model": described("keras", "layers.TFSMLayer", saved),
        "inner saved model": described("keras.src.export.tfsm_layer", "TFSMLayer", saved),
        "torch": described("keras.layers", "TorchModuleWrapper", {"module": "gASV"}),
        "jax": described("keras.layers", "JaxLayer", {"call_fn": code(canary)}),
        "vocabulary": described("keras.layers", "StringLookup", {"vocabulary": str(canary)}),
        "integer vocabulary": described("keras.layers", "IntegerLookup", {"vocabulary": str(canary)}),
        "text vocabulary": described("keras.layers", "TextVectorization", {"vocabulary": str(canary)}),
        "map": described("keras.src.ops.core", "Map", {"f": code(canary)}),
        "code": code(canary),
        "class as a function": function("keras", "layers.TFSMLayer"),
        "download": function("keras.utils", "get_file"),
        "dotted download": function("keras", "utils.get_file"),
        "load": function("keras.saving", "load_model"),
        "plot": function("keras.utils", "plot_model"),
        "data set": function("keras.datasets.mnist", "load_data"),
        "deserialize": function("keras.layers", "deserialize"),
        "builtin deserialize": function("builtins", "deserialize"),
        "custom gradient": function("keras.ops", "custom_gradient"),
        "shell": function("os", "system"),
        "eval": function("builtins", "eval"),
        "module": described("keras.src.saving.saving_lib", "zipfile"),
        "callback": described("keras.callbacks", "CSVLogger", {"filename": str(canary)}),
        "iterator": described("keras.utils", "PyDataset"),
        "package": described(f"{PACKAGE}.layers", "Evil"),
        "import": described("antigravity", "Evil"),
        "registered": described("elsewhere", "Touch", {"path": str(canary)}, "evil>Touch"),
        "registered function": function("builtins", "evil>touch"),
        "short registered function": function("builtins", "touch"),
        "plain text": "evil>touch",
        "type": {
            "class_name": "__typespec__",
            "spec_name": "Evil",
            "module": "os",
            "config": [],
            "registered_name": None,
        },
        "unknown": described(None, "Evil"),
        "no module": {"class_name": "Lambda", "config": lambda_config},
        "class that is a list": described("keras.layers", ["Lambda"], lambda_config),
        "module that is a list": described(["keras.layers"], "Lambda", lambda_config),
    }


def _layer(configuration: Json, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(layer for layer in configuration["config"]["layers"] if layer["name"] == name)
    return found


def _setting(layer: str, *keys: Any) -> Callable[[Json, Json], None]:
    def put(configuration: Json, evil: Json) -> None:
        inside = _layer(configuration, layer)["config"]
        for key in keys[:-1]:
            inside = inside[key]
        inside[keys[-1]] = evil

    return put


def _replace(layer: str) -> Callable[[Json, Json], None]:
    def put(configuration: Json, evil: Json) -> None:
        layers = configuration["config"]["layers"]
        index = layers.index(_layer(configuration, layer))
        if isinstance(evil, dict):
            evil = {**evil, "name": layer, "inbound_nodes": layers[index]["inbound_nodes"]}
        layers[index] = evil

    return put


def _node_of_named(configuration: Json, evil: Json) -> None:
    """Beside the names of an honest class: without `config`, Keras takes it for a dictionary of objects."""
    named = {"class_name": "Dense", "module": "keras.layers", "registered_name": None, "spec_name": evil}
    _layer(configuration, "last")["inbound_nodes"][0]["kwargs"]["training"] = named


def _root(configuration: Json, evil: Json) -> None:
    configuration.clear()
    configuration.update(evil if isinstance(evil, dict) else {"class_name": evil, "config": {}})


def _compiled(*keys: str) -> Callable[[Json, Json], None]:
    def put(configuration: Json, evil: Json) -> None:
        _layer(configuration, "inner")["compile_config"] = {"optimizer": "sgd", "loss": "mse", **{keys[0]: evil}}

    return put


def _node(kind: str, *keys: str) -> Callable[[Json, Json], None]:
    def put(configuration: Json, evil: Json) -> None:
        node = _layer(configuration, "last")["inbound_nodes"][0]
        for key in reversed(keys):
            evil = {key: evil}
        if kind == "args":
            node["args"].append(evil)
        else:
            node["kwargs"]["training"] = evil

    return put


PLACES: dict[str, Callable[[Json, Json], None]] = {
    "the model": _root,
    "a layer": _replace("last"),
    "activation": _setting("last", "activation"),
    "kernel_initializer": _setting("last", "kernel_initializer"),
    "bias_regularizer": _setting("last", "bias_regularizer"),
    "activity_regularizer": _setting("last", "activity_regularizer"),
    "kernel_constraint": _setting("last", "kernel_constraint"),
    "dtype": _setting("last", "dtype"),
    "quantization_config": _setting("last", "quantization_config"),
    "wrapped layer": _setting("each", "layer"),
    "activation of a wrapped layer": _setting("each", "layer", "config", "activation"),
    "backward layer": _setting("both", "backward_layer"),
    "cell": _setting("rnn", "cell"),
    "cell in a stack": _setting("rnn", "cell", "config", "cells", 0),
    "layer of a nested model": _setting("inner", "layers", 1),
    "initializer in a nested model": _setting("inner", "layers", 1, "config", "kernel_initializer"),
    "argument of a call": _node("args"),
    "keyword of a call": _node("kwargs"),
    "dictionary under module": _node("kwargs", "module"),
    "dictionary under registered_name": _node("args", "registered_name"),
    "dictionary under spec_name": _node_of_named,
    "activation under module": lambda configuration, evil: _layer(configuration, "last")["config"].update(
        activation={"module": evil}
    ),
    "build configuration": lambda configuration, evil: _layer(configuration, "last").update(build_config={"x": evil}),
    "compile configuration": lambda configuration, evil: configuration.update(compile_config={"loss": evil}),
    "nested loss": _compiled("loss"),
    "nested metric": _compiled("metrics"),
    "nested optimizer": _compiled("optimizer"),
}


def honest_model() -> Any:
    """A compiled model with a layer of each kind that holds others."""
    import keras

    layers = keras.layers
    inner = keras.Sequential([keras.Input((6, 4)), layers.Dense(4), layers.Dense(4, activation="relu")], name="inner")
    inner.compile("sgd", "mse")
    x = keras.Input((6, 4), name="x")
    net = layers.TimeDistributed(layers.Dense(4, activation="relu"), name="each")(inner(x))
    net = layers.Bidirectional(layers.LSTM(2, return_sequences=True), name="both")(net)
    cells = layers.StackedRNNCells([layers.GRUCell(3), layers.LSTMCell(3)])
    net = layers.RNN(cells, return_sequences=True, name="rnn")(net)
    net = layers.Dense(2, activation="softmax", kernel_regularizer="l2", kernel_constraint="non_neg", name="last")(net)
    model = keras.Model(x, net)
    model.compile("adam", "mse", metrics=["mae"])
    return model


def with_configuration(saved: Path, path: Path, change: Callable[[Json], None]) -> Path:
    """Copy a `.keras` file with its configuration changed."""
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json":
                configuration = json.loads(content)
                change(configuration)
                content = json.dumps(configuration).encode()
            target.writestr(name, content)
    return path


CLASSES_ONLY = ("the model", "a layer", "wrapped layer", "backward layer", "cell", "cell in a stack")


def cases() -> list[tuple[str, str]]:
    """Return the pairs of place and name: every place with the names that fit best, and every name at one place."""
    words = list(names(Path("x"), Path("y")))
    often = ("dotted lambda", "dotted saved model", "dotted download", "vocabulary", "registered", "package")
    found = [(place, word) for place in PLACES for word in often]
    found += [("activation", word) for word in words] + [("a layer", word) for word in words]
    return list(dict.fromkeys(found))


def write(saved: Path, path: Path, place: str, name: Json) -> Path:
    """Write the file that has a name at a place."""
    return with_configuration(saved, path, lambda configuration: PLACES[place](configuration, copy.deepcopy(name)))
