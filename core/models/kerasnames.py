"""Safety check of the names in a Keras configuration: which classes and functions they resolve to.

A configuration names classes and functions; Keras looks each up in its own tables and calls what it
finds. `offences` looks them up in the same tables of the same Keras, without importing or calling
anything, and judges what they *resolve to*, however they are spelled. Allowed is what is made from
Keras itself: the exported layers and models, initializers, regularizers, constraints, losses, metrics,
optimizers, dtype policies and quantizers, the classes of `keras.src.ops`, and functions of the modules
in `_FUNCTIONS`; less what `_REFUSED` and `_REFUSED_FUNCTIONS` name. A name that was registered counts
only where this package registered it. A name that resolves to nothing is refused too.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Hashable, Iterator
from functools import cache, lru_cache
from typing import Any, NamedTuple

from ..phrases import Phrase
from .safety import encoded_graph_offences

_FUNCTIONS = ("activations", "constraints", "initializers", "losses", "metrics", "ops", "regularizers")
"""The modules of Keras from which functions may come."""

_CALLS_FUNCTIONS = Phrase("calls a function that it is given")

_REFUSED = {
    "Lambda": Phrase("Python code"),
    "TFSMLayer": Phrase("another model's path"),
    "TorchModuleWrapper": Phrase("a pickle"),
    "JaxLayer": Phrase("Python code"),
    "FlaxLayer": Phrase("Python code"),
    "AssociativeScan": _CALLS_FUNCTIONS,
    "Cond": _CALLS_FUNCTIONS,
    "ForiLoop": _CALLS_FUNCTIONS,
    "JVP": _CALLS_FUNCTIONS,
    "Map": _CALLS_FUNCTIONS,
    "Scan": _CALLS_FUNCTIONS,
    "Switch": _CALLS_FUNCTIONS,
    "VectorizedMap": _CALLS_FUNCTIONS,
    "WhileLoop": _CALLS_FUNCTIONS,
}
"""Classes of Keras that do more than compute, or what is derived from them, with what they bring."""

_RESOLVES = Phrase("makes an object of a configuration that is not checked")

_REFUSED_FUNCTIONS = {
    **dict.fromkeys(("deserialize", "get"), _RESOLVES),
    "serialize": Phrase("no part of a model"),
    **dict.fromkeys(
        ("associative_scan", "cond", "custom_gradient", "fori_loop", "grad", "jvp", "map"), _CALLS_FUNCTIONS
    ),
    **dict.fromkeys(("scan", "switch", "vectorize", "vectorized_map", "while_loop"), _CALLS_FUNCTIONS),
}
"""Functions of these modules that do more than compute."""

FUNCTION_PARAMETERS = frozenset(
    "f fn fun func function pyfunc body body_fun cond branches true_fn false_fn combine callable".split()
)
"""How parameters are called that take a function: such operations are refused in a Keras newer than the lists too."""

_DATA = {"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__"}
"""Class names that stand for plain values."""

_NAMES = frozenset({"class_name", "module", "registered_name", "spec_name"})
"""Keys that name an object where they are texts; Keras looks for objects in whatever else stands there."""

_UNKNOWN = Phrase("unknown to this Keras")

_CODE = {"__lambda__": Phrase("Python code"), "__typespec__": Phrase("a class of TensorFlow")}

_TABLES = {
    "activation": "activations",
    "constraint": "constraints",
    "initializer": "initializers",
    "loss": "losses",
    "optimizer": "optimizers",
    "regularizer": "regularizers",
}
"""How keys end whose plain text Keras looks up, with the module that holds the table."""

_OWN = __name__.partition(".")[0] + "."
"""How the modules of this package are called."""

_HUBS = {"keras_cv", "keras_hub", "keras_nlp"}
"""Packages of the Keras project from which Keras loads classes."""

_LIBRARIES = {"builtins", "jax", "keras", "numpy", "os", "tensorflow", "torch"}
"""Modules that no author's own losses are in; Python's own are known only from 3.10 on."""


class Place(NamedTuple):
    """Where in a configuration a value stands.

    Attributes:
        key: the last one on the way to it.
        owner: name or class of the object around it.
        dropped: whether it is in a compile configuration, which is not loaded.
    """

    key: str = ""
    owner: str = ""
    dropped: bool = False

    @property
    def phrase(self) -> str:
        """It in words, to be put after the name of what stands there."""
        if not self.owner:
            return Phrase("")
        return (
            Phrase(", {key} of {owner}", key=self.key, owner=self.owner)
            if self.key not in ("", "layers", "config")
            else Phrase(", in {owner}", owner=self.owner)
        )

    def __str__(self) -> str:
        return str(self.phrase)


def offences(configuration: Any) -> Iterator[str]:
    """Yield what is wrong with any of the objects that a configuration describes."""
    custom = _custom_objects()
    waiting = [(configuration, Place())]
    while waiting:
        item, place = waiting.pop()
        if isinstance(item, list):
            waiting.extend((value, place) for value in item)
        elif isinstance(item, dict):
            names: frozenset[str] = frozenset()  # of this object, which are judged together
            if "class_name" in item or "spec_name" in item:
                yield from _object_offences(item, place)
                place, names = place._replace(owner=_called(item)), _NAMES
            waiting.extend(
                (value, Place(key, place.owner, place.dropped or key == "compile_config"))
                for key, value in item.items()
                if key not in names or isinstance(value, (dict, list))
            )
        elif isinstance(item, str):
            yield from _text_offences(item, place, custom)


def foreign_packages(configuration: Any) -> list[str]:
    """Return the Python packages, other than Keras, whose classes a configuration names as Keras 3 writes them."""
    found, waiting = set(), [configuration]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting.extend(value for key, value in item.items() if key != "compile_config")
            module = item.get("module")
            if "class_name" in item and isinstance(module, str):
                found.add(module.partition(".")[0])
        elif isinstance(item, list):
            waiting.extend(item)
    return sorted(found & _HUBS)


def without_compile_configurations(configuration: Any) -> Any:
    """Return a configuration without the compile configurations at any depth.

    Keras runs those of nested models although the outer one is not compiled.
    """
    if isinstance(configuration, list):
        return [without_compile_configurations(item) for item in configuration]
    if isinstance(configuration, dict):
        kept = {key: value for key, value in configuration.items() if key != "compile_config"}
        return {key: without_compile_configurations(value) for key, value in kept.items()}
    return configuration


def _offence(name: str, why: str, place: Place) -> str:
    return Phrase("{name} ({why}){place}", name=name, why=why, place=place)


def _called(described: dict[str, Any]) -> str:
    config = described.get("config")
    name = described.get("name") or (config.get("name") if isinstance(config, dict) else None)
    return str(name or described.get("class_name"))


# ----------------------------------------------------------------- objects


def _object_offences(described: dict[str, Any], place: Place) -> Iterator[str]:
    name, module, config = described.get("class_name"), described.get("module"), described.get("config")
    registered = described.get("registered_name", name)
    if not isinstance(name, str) or not isinstance(module, (str, type(None))):
        yield Phrase(
            "class_name {name!r} of module {module!r} (names nothing{place})", name=name, module=module, place=place
        )
    elif name in _DATA:
        yield from _value_offences(name, config, place)
    elif name in _CODE or (name.startswith("__") and name.endswith("__")):
        spelled = f"{name} {described['spec_name']}" if "spec_name" in described else name
        yield _offence(spelled, _CODE.get(name, _UNKNOWN), place)
    elif "module" not in described:
        yield Phrase("{name} (has no module, which Keras 3 always writes){place}", name=name, place=place)
    elif not isinstance(registered, (str, type(None))):
        yield Phrase(
            "registered_name {registered!r} of {name} (names nothing{place})",
            registered=registered,
            name=name,
            place=place,
        )
    elif name == "function":
        yield from _name_offences(module, config, config, True, place)
    else:
        yield from _name_offences(module, name, registered, False, place)
        yield from _setting_offences(name, config, place)


def _name_offences(module: str | None, name: Any, registered: Any, function: bool, place: Place) -> Iterator[str]:
    if not isinstance(name, str):
        yield Phrase("function {name!r} (names nothing{place})", name=name, place=place)
        return
    found = _resolve(module or "", name, registered, function)
    spelled = f"{module}.{name}" if module else name
    if not found and not (place.dropped and _is_own_name(module or "", name)):
        yield _offence(spelled, _unknown(module or ""), place)
    for thing in found:
        why = _fault(thing, function)
        if why:
            yield _offence(_spelling(spelled, registered, thing), why, place)
            return


def _resolve(module: str, name: str, registered: str | None, function: bool) -> list[Any]:
    """Return what Keras would take a name for: one thing, or several where that depends on its version."""
    from keras.src import api_export

    custom = _custom_objects()
    key = name if function else registered
    if key in custom:
        return [custom[key]]
    exported = api_export.REGISTERED_NAMES_TO_OBJS
    if (module == "keras" or module.startswith("keras.")) and f"{module}.{name}" in exported:
        return [exported[f"{module}.{name}"]]
    if function and module == "builtins":
        found = [exported[path] for path in (f"keras.{part}.{name}" for part in _builtin_parts()) if path in exported]
        found += [table[name] for table in map(_table, _FUNCTIONS) if name in table]
        # Keras up to 3.6 left out the package of a registered function.
        return found + [thing for other, thing in custom.items() if other.endswith(f">{name}")]
    if module.partition(".")[0] == "keras":  # Keras would import it; what it has not imported by itself stays unknown
        members = vars(sys.modules[module]) if module in sys.modules else {}
        return [members[name]] if members.get(name) is not None else []
    return []


def _fault(thing: Any, function: bool) -> str:
    """Return why something that a configuration names may not be used; empty if it may."""
    if str(getattr(thing, "__module__", "")).startswith(_OWN):
        return ""
    if isinstance(thing, type):
        refused = [_REFUSED[each.__name__] for each in thing.__mro__ if each.__name__ in _REFUSED]
        if refused:
            return refused[0]
        if thing.__module__.startswith("keras.src.ops.") and takes_function(thing):
            return _CALLS_FUNCTIONS
        if thing in _allowed_classes():
            return Phrase("a class where a function belongs") if function else ""
    elif inspect.isfunction(thing):
        if thing in _exported_functions():
            return _REFUSED_FUNCTIONS.get(thing.__name__, _CALLS_FUNCTIONS if takes_function(thing) else "")
    elif inspect.ismodule(thing):
        return Phrase("a module")
    if any(thing is other for other in _custom_objects().values()):
        return Phrase("registered by other code than this engine's")
    return Phrase("no part of a model")


def _spelling(spelled: str, registered: Any, thing: Any) -> str:
    from keras.src import api_export

    if any(thing is other for other in _custom_objects().values()):
        return str(registered)
    canonical = api_export.REGISTERED_OBJS_TO_NAMES.get(thing) if inspect.isclass(thing) else None
    return (
        spelled
        if canonical in (None, spelled)
        else Phrase("{spelled}, which is {canonical}", spelled=spelled, canonical=canonical)
    )


def _unknown(module: str) -> str:
    package = module.partition(".")[0]
    if package in ("keras", "builtins", ""):
        return _UNKNOWN
    return Phrase("of the package {package}, which is no part of Keras", package=package)


def _is_own_name(module: str, name: str) -> bool:
    """Return whether a name that Keras does not know may be that of a loss or metric of the author's own."""
    package = module.partition(".")[0]
    if package == "builtins":  # as Keras 3 writes all functions
        return not hasattr(sys.modules["builtins"], name)
    return package not in _LIBRARIES | _HUBS | getattr(sys, "stdlib_module_names", frozenset(sys.builtin_module_names))


# ----------------------------------------------------------------- values


def _value_offences(name: str, config: Any, place: Place) -> Iterator[str]:
    """Yield what is wrong with a plain value, of which only the dtype could be more than numbers."""
    from keras.src.backend.common.dtypes import ALLOWED_DTYPES

    if name in ("__tensor__", "__numpy__", "__keras_tensor__"):
        dtype = config.get("dtype") if isinstance(config, dict) else config
        if dtype not in ALLOWED_DTYPES:
            yield Phrase("{name} of dtype {dtype!r} (no dtype of Keras){place}", name=name, dtype=dtype, place=place)


def _setting_offences(name: str, config: Any, place: Place) -> Iterator[str]:
    """Yield what is wrong with the settings of an object, beside the objects in them."""
    if not isinstance(config, dict):
        return
    vocabulary = config.get("vocabulary")
    if not isinstance(vocabulary, (list, type(None))):
        yield Phrase("{name} (reads {vocabulary}){place}", name=name, vocabulary=vocabulary, place=place)
    elif any(not isinstance(word, (str, int, float)) for word in vocabulary or ()):
        yield Phrase("{name} (a vocabulary of other things than words and numbers){place}", name=name, place=place)
    if name == "TracedFunction":
        for offence in encoded_graph_offences(config.get("graph")):
            yield Phrase(
                "{offence}, in {value}", offence=offence, value=_called({"config": config, "class_name": name})
            )


def _text_offences(text: str, place: Place, custom: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a plain text, which Keras takes for a name where it finds it."""
    if text in custom:
        why = _fault(custom[text], False) or Phrase("a name where a description belongs")
        yield _offence(text, why, place)
        return
    module = _TABLES.get(place.key.rpartition("_")[2])
    table = _table(module) if module else {}
    if table and text.lower() not in {known.lower() for known in table} and not place.dropped:
        yield Phrase("{text} (unknown to keras.{module}){place}", text=text, module=module, place=place)


# ----------------------------------------------------------------- Keras's tables


def _custom_objects() -> dict[str, Any]:
    """Return what was registered in this process, or stands in a scope, by name."""
    from keras.src.backend.common import global_state
    from keras.src.saving import object_registration

    return {
        **object_registration.GLOBAL_CUSTOM_OBJECTS,
        **(global_state.get_global_attribute("custom_objects_scope_dict", {}) or {}),
    }


def _builtin_parts() -> list[str]:
    from keras.src.saving import serialization_lib

    return sorted(serialization_lib.BUILTIN_MODULES)


@cache
def _table(part: str) -> dict[str, Any]:
    """Return the table by which a module of Keras looks up plain texts; empty if it has none."""
    module = sys.modules.get(f"keras.src.{part}")
    return dict(getattr(module, "ALL_OBJECTS_DICT", {}))


@lru_cache(maxsize=1)
def _allowed_classes() -> frozenset[type]:
    import keras
    from keras.src import api_export, models
    from keras.src.ops.operation import Operation

    bases: tuple[type, ...] = (
        *(keras.Layer, keras.Initializer, keras.Regularizer, keras.constraints.Constraint, keras.Loss, keras.Metric),
        *(keras.Optimizer, keras.optimizers.schedules.LearningRateSchedule, keras.Quantizer),
        *(keras.dtype_policies.DTypePolicy, keras.dtype_policies.DTypePolicyMap, keras.random.SeedGenerator),
        *filter(None, [getattr(keras.quantizers, "QuantizationConfig", None)]),
    )
    exported: list[type] = [thing for thing in api_export.REGISTERED_NAMES_TO_OBJS.values() if isinstance(thing, type)]
    # Not exported, but Keras's applications are made of them: CustomScaleLayer, LayerScale.
    parts = [each for each in _derived(keras.Layer) if each.__module__.startswith("keras.src.applications.")]
    operations = [each for each in _derived(Operation) if each.__module__.startswith("keras.src.ops.")]
    return frozenset([*(each for each in exported if issubclass(each, bases)), *parts, *operations, models.Functional])


def _derived(base: type) -> Iterator[type]:
    below: list[type] = base.__subclasses__()
    for each in below:
        yield each
        yield from _derived(each)


@lru_cache(maxsize=1)
def _exported_functions() -> frozenset[Any]:
    from keras.src import api_export

    parts = tuple(f"keras.{part}." for part in _FUNCTIONS)
    exported = api_export.REGISTERED_NAMES_TO_OBJS.items()
    return frozenset(thing for name, thing in exported if inspect.isfunction(thing) and name.startswith(parts))


@cache
def takes_function(thing: Hashable) -> bool:
    """Return whether a function, or an operation's class, has a parameter that takes a function."""
    callables: list[Any] = (
        [getattr(thing, name) for name in ("__init__", "call")] if inspect.isclass(thing) else [thing]
    )
    return any(FUNCTION_PARAMETERS & inspect.signature(each).parameters.keys() for each in callables)
