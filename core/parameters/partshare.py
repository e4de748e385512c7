"""PART: which parts of a run one of several runs computes, given as numbers or told by what started it as an array of jobs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import ParameterError, field
from ..phrases import Phrase

SMALLEST_PART = 16
"""The smallest width and height of a part, in outputs."""

_FORM = re.compile(r"\s*(?:(?P<index>\d{1,9})\s*/\s*(?P<count>\d{1,9})|auto(?:\s*/\s*(?P<of>\d{1,9}))?)\s*")

_TASK, _FIRST, _STEP, _TASKS = (
    f"SLURM_ARRAY_TASK_{word}" for word in ("ID", "MIN", "STEP", "COUNT")
)  # environment variables of a job array of SLURM
_COMPLETION = "JOB_COMPLETION_INDEX"  # of an indexed job of Kubernetes


@dataclass(frozen=True)
class PartShare:
    """What one of `count` runs computes: the parts `index`, `index + count`, ... of all, counted from 0."""

    index: int = 0
    count: int = 1

    def of(self, parts: int) -> range:
        """Return the numbers of its parts among so many."""
        return range(self.index, parts, self.count)


def check_part_share(text: str) -> None:
    """Raise ParameterError unless a text has the form of PART."""
    _match(text)


def part_share(text: str, environment: Mapping[str, str]) -> PartShare:
    """Return the share that a text names.

    Args:
        text: `3/64`; `auto` for the index and the number of tasks of SLURM's job array; `auto/64` for the index of SLURM
            or Kubernetes among 64. Empty for everything.
        environment: the variables of the process.

    Raises:
        ParameterError: the text is of another form, no such job runs this process, or the index is not below the count.
    """
    if not text.strip():
        return PartShare()
    match = _match(text)
    if match["index"] is not None:
        return _checked(text, int(match["index"]), int(match["count"]), "")
    if match["of"] is not None:
        name = next((name for name in (_TASK, _COMPLETION) if name in environment), None)
        if name is None:
            raise _no_job(
                text,
                Phrase(
                    "{task} (a job array of SLURM) or {completion} (an indexed job of Kubernetes)",
                    task=_TASK,
                    completion=_COMPLETION,
                ),
            )
        return _checked(text, _number(environment, name), int(match["of"]), f" ({name})")
    if missing := [name for name in (_TASK, _FIRST, _TASKS) if name not in environment]:
        also = (
            Phrase(" Kubernetes does not tell the number of pods: give it, as auto/64.")
            if _COMPLETION in environment
            else ""
        )
        raise _no_job(text, Phrase("{missing} (a job array of SLURM)", missing=", ".join(missing)), also)
    step = _number(environment, _STEP) if _STEP in environment else 1
    index = (_number(environment, _TASK) - _number(environment, _FIRST)) // max(step, 1)
    return _checked(text, index, _number(environment, _TASKS), f" ({_TASK})")


def _match(text: str) -> re.Match[str]:
    match = _FORM.fullmatch(text)
    if match is None:
        raise ParameterError(
            "{part} is {text!r}, but must be INDEX/COUNT with the index counted from 0, such as 3/64, or auto, or "
            "auto/COUNT.",
            part=field("part"),
            text=text,
        )
    return match


def _no_job(text: str, variables: str, also: str = "") -> ParameterError:
    return ParameterError(
        "{part} is {text}, but the environment has no {variables}: start the run as such a job, or give index and "
        "count, such as 3/64.{also}",
        part=field("part"),
        text=text,
        variables=variables,
        also=also,
    )


def _number(environment: Mapping[str, str], name: str) -> int:
    try:
        return int(environment[name])
    except ValueError:
        raise ParameterError(
            "{part} goes by the environment variable {name}, which is {environment!r}, but must be a whole number.",
            part=field("part"),
            name=name,
            environment=environment[name],
        ) from None


def _checked(text: str, index: int, count: int, of: str) -> PartShare:
    if count < 1:
        raise ParameterError(
            "{part} is {text}, but the count is {count}: it must be at least 1, as in 0/1 for a run alone.",
            part=field("part"),
            text=text,
            count=count,
        )
    if not 0 <= index < count:
        raise ParameterError(
            "{part} is {text}, but the index {index}{of} is not among 0 to {count}: indices count from 0. Number "
            "the tasks of the job 0 to {count2}, or give a larger count.",
            part=field("part"),
            text=text,
            index=index,
            of=of,
            count=count - 1,
            count2=count - 1,
        )
    return PartShare(index, count)
