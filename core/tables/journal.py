"""The journal of a table: which rows are done, written down as each ends, so that another run can go on.

It lies beside the results, with a line of JSON for each row that is done. Only the process that shares out rows writes it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from osgeo import gdal

from ..base.jsonvalues import Json, OddJson, parse
from ..errors import ParameterError, field
from ..files.gdalcalls import collected_errors
from .rowrun import RowOutcome

ENDING = ".journal"
_UNKNOWN = -1


class Journal:
    """A journal, open while a run goes on."""

    def __init__(self, results: str, resume: bool) -> None:
        """Open the journal beside a file of results.

        Args:
            results: path of that file.
            resume: whether what an earlier run has noted counts; else it begins anew.

        Raises:
            ParameterError: it cannot be written.
        """
        self.path = Path(results + ENDING)
        self._done = _read(self.path) if resume else {}
        try:
            # Anew, without a last line that was cut off.
            self._file: TextIO = open(self.path, "w", encoding="utf-8")  # noqa: SIM115 - closed on leaving
            for line in self._done.values():
                self._write(line)
            self._sync()
        except OSError as error:
            raise ParameterError(
                "{out} is {results}, but its journal {path} cannot be written: {error}.",
                out=field("out"),
                results=results,
                path=self.path,
                error=error.strerror,
            ) from error

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._done)

    def kept(self, number: int, identity: str) -> RowOutcome | None:
        """Return what an earlier run has noted of a row of this identity whose outputs are still there; else None."""
        noted = self._done.get(identity)
        if noted is None or any(_size(path) != size for path, size in noted["outputs"].items()):
            return None
        return RowOutcome(number, noted["results"], noted["seconds"], identity, kept=True)

    def note(self, outcome: RowOutcome, outputs: list[str]) -> None:
        """Write down that a row is done, and how large its outputs are; it lasts from now on."""
        line = {
            "identity": outcome.identity,
            "row": outcome.number,
            "seconds": round(outcome.seconds, 3),
            "outputs": {path: _size(path) for path in outputs},
            "results": dict(outcome.results),
        }
        self._done[outcome.identity] = line
        self._write(line)
        self._sync()

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """Return the lines that are whole, by the identity of their rows; a run that was killed may have cut off the last."""
    found: dict[str, dict[str, Any]] = {}
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    for text in lines:
        try:
            line = parse(text)
            found[line["identity"].text()] = {
                "identity": line["identity"].text(),
                "row": line["row"].whole(1),
                "seconds": line["seconds"].number(0, 1e12),
                "outputs": {name: size.whole(_UNKNOWN) for name, size in line["outputs"].fields()},
                "results": {name: _result(value) for name, value in line["results"].fields()},
            }
        except OddJson:
            continue
    return found


def _result(value: Json) -> Any:
    if value.value is None or isinstance(value.value, (str, bool, int, float)):
        return value.value
    raise value.odd("a text or a number")


def _size(path: str) -> int:
    """Return the size of a file; of a folder 0, and of nothing -1."""
    found = None
    with collected_errors():
        found = gdal.VSIStatL(path)
    return _UNKNOWN if found is None else 0 if found.IsDirectory() else int(found.size)
