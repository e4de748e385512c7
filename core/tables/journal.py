"""The journal of a table: which rows are done, written down as each ends, so that another run can go on.

It lies beside the results, with a line of JSON for each row that is done. Only the process that shares out rows writes it,
and holds its lock meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from ..base import ownership
from ..base.jsonvalues import Json, OddJson, parse
from ..errors import ParameterError, field
from ..phrases import Phrase
from .fileidentity import output_identity
from .rowrun import RowOutcome

ENDING = ".journal"

_Lines = dict[str, dict[str, Any]]
"""What is noted of rows, by their identity."""


class Journal:
    """A journal, open while a run goes on.

    Attributes:
        path: of the journal.
        earlier: how many rows an earlier run has noted.
        resumed: whether an earlier run with the same `about` goes on.
    """

    def __init__(self, results: str, resume: bool, about: Mapping[str, str] | None = None) -> None:
        """Open the journal beside a file of results.

        Args:
            results: path of that file.
            resume: whether what an earlier run has noted counts; else it is given up, with `about` at once, otherwise for the
                first row that is done.
            about: what a resumed run must have in common with the earlier one, by name; a parameter's name is its key. None
                where each row tells by itself whether it is the same.

        Raises:
            ParameterError: it cannot be written, or another run writes it, or it is of a run that differs in `about`.
        """
        self.path = Path(results + ENDING)
        self._results = results
        try:
            self._file = self._opened()
            self._file.seek(0)
            content = self._file.read()
        except OSError as error:
            raise ParameterError(
                "{out} is {results}, but its journal {path} cannot be written: {error}.",
                out=field("out"),
                results=results,
                path=self.path,
                error=error.strerror,
            ) from error
        lines, self.resumed = _read(content), about is not None and resume and bool(content)
        if about is not None:
            if self.resumed:
                try:
                    self._check_same(about, content)
                except ParameterError:
                    self._file.close()
                    raise
            else:
                self._begin(about)
                content, lines, resume = b"", {}, True
        self.earlier = len(lines)
        self._done = lines if resume else {}
        self._anew = not resume
        self._cut_off = resume and bool(content) and not content.endswith(b"\n")

    def _begin(self, about: Mapping[str, str]) -> None:
        self._file.truncate(0)
        self._write(json.dumps({"about": dict(about)}, ensure_ascii=False) + "\n")

    def _check_same(self, about: Mapping[str, str], content: bytes) -> None:
        """Raise ParameterError where an earlier run was another one."""
        earlier = _about(content)
        for name in (*about, *(name for name in earlier if name not in about)):
            was, value = earlier.get(name, Phrase("not given")), about.get(name, Phrase("not given"))
            if was != value:
                raise ParameterError(
                    "{resume} is on, but the journal {path} is of a run in which {name} was {was}, not {value}: restore this "
                    "value, or set {resume} to off to begin again.",
                    resume=field("resume"),
                    path=self.path,
                    name=name,
                    was=was,
                    value=value,
                )

    def _write(self, text: str) -> None:
        self._file.write(text.encode("utf-8"))
        self._file.flush()
        os.fsync(self._file.fileno())

    def _opened(self) -> BinaryIO:
        while True:
            file = open(self.path, "a+b")  # noqa: SIM115 - closed on leaving
            if ownership.locked_elsewhere(file.fileno()):
                file.close()
                raise ParameterError(
                    "{out} is {results}, which another run is making: its journal {path} is locked. Wait until that run has "
                    "ended, or choose another file.",
                    out=field("out"),
                    results=self._results,
                    path=self.path,
                )
            if os.path.exists(self.path) and os.path.samestat(os.fstat(file.fileno()), os.stat(self.path)):
                return file
            file.close()  # the run that had it has just removed it

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not os.fstat(self._file.fileno()).st_size:
            with contextlib.suppress(OSError):  # Windows removes no open file
                self.path.unlink()
        self._file.close()

    def __len__(self) -> int:
        return len(self._done)

    def kept(self, number: int, identity: str) -> RowOutcome | None:
        """Return what an earlier run has noted of a row of this identity whose outputs are still there; else None."""
        noted = self._done.get(identity)
        if noted is None or any(output_identity(path) != told for path, told in noted["outputs"].items()):
            return None
        return RowOutcome(number, noted["results"], noted["seconds"], identity, kept=True)

    def note(self, outcome: RowOutcome, outputs: Iterable[str]) -> None:
        """Write down that a row is done, and what tells its outputs from others; it lasts from now on."""
        line = {
            "identity": outcome.identity,
            "row": outcome.number,
            "seconds": round(outcome.seconds, 3),
            "outputs": {path: output_identity(path) for path in outputs},
            "results": dict(outcome.results),
        }
        self._done[outcome.identity] = line
        if self._anew:
            self._file.truncate(0)
        text = json.dumps(line, ensure_ascii=False) + "\n"
        self._write("\n" + text if self._cut_off else text)
        self._anew = self._cut_off = False


def _read(content: bytes) -> _Lines:
    """Return the lines that are whole, by the identity of their rows; a run that was killed may have cut off the last."""
    found: _Lines = {}
    for text in content.split(b"\n"):
        try:
            line = parse(text)
            found[line["identity"].text()] = {
                "seconds": line["seconds"].number(0, 1e12),
                "outputs": {name: told.text() for name, told in line["outputs"].fields()},
                "results": {name: _result(value) for name, value in line["results"].fields()},
            }
        except OddJson:
            continue
    return found


def _about(content: bytes) -> dict[str, str]:
    """Return what the run that wrote a journal had in common with those that may go on with it; empty where nothing tells."""
    try:
        told = parse(content.split(b"\n", 1)[0])
        return {name: value.text() for name, value in told["about"].fields()}
    except OddJson:
        return {}


def _result(value: Json) -> Any:
    if value.value is None or isinstance(value.value, (str, bool, int, float)):
        return value.value
    raise value.odd("a text or a number")
