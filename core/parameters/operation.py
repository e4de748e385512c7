"""What an operation declares of itself beside its keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Result:
    """A value that a run finds and that is no output of a key.

    Attributes:
        name: its key in the dictionary that the body returns.
        label: a few words that say what it is.
    """

    name: str
    label: str


class NumberResult(Result):
    """A number."""


class TextResult(Result):
    """A text; lists of classes are told as JSON."""


class Group:
    """Several keys that operations share, with their check: a frozen dataclass that operations include by deriving.

    A group with a check overrides `__post_init__`, and calls that of the next one first.
    """

    def __post_init__(self) -> None:
        """Raise ParameterError where values contradict each other."""


class Operation(Group):
    """Base of all operations: a frozen dataclass whose fields are the keys. The fields of the last base come first.

    Attributes:
        TITLE: what it does, as the toolbox shows it.
        GROUP: id of its group in the toolbox.
        DESCRIPTION: what it does, in paragraphs that an empty line separates.
        RESULTS: what a run returns beside the outputs of keys.
        RUN: where the body is, as "room.module:function"; it takes the parameters and a `Progress`, and returns a
            dictionary: for each output its key and path, and the results.
        CHECK: the same for a check that needs more than the keys; it takes the parameters, and raises ParameterError.
            Empty where there is none.
        NEEDS_ENGINE: whether it runs in the engine, which has TensorFlow, scikit-learn and matplotlib.
        ENGINE_WITH: name of a key of which a true value makes it run in the engine too; empty for none.
        OPENS_FIRST: whether the body itself waits for TensorFlow, after it has opened its sources.
        HIDDEN: whether it is left out of toolbox and modeler, since QGIS has tools of its own for the same.
        MORE_SOURCES: how many sources dialogs show beyond the number in the options.
        SCENE_COLUMNS: what a table of scenes may say, of operations that have the key `scenes`.
    """

    TITLE: ClassVar[str]
    GROUP: ClassVar[str]
    DESCRIPTION: ClassVar[str]
    RESULTS: ClassVar[tuple[Result, ...]] = ()
    RUN: ClassVar[str]
    CHECK: ClassVar[str] = ""
    NEEDS_ENGINE: ClassVar[bool] = False
    ENGINE_WITH: ClassVar[str] = ""
    OPENS_FIRST: ClassVar[bool] = False
    HIDDEN: ClassVar[bool] = False
    MORE_SOURCES: ClassVar[int] = 0
    SCENE_COLUMNS: ClassVar[Any] = None
