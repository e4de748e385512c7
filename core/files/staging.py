"""Writing outputs so that the final path always holds a complete one: the new one, or the older one.

An output is written into a hidden folder beside its final path, under its final name, so that files which name their
companions (ENVI's header, an .aux.xml) stay right. When all is written, closed and checked, its files are moved, the
main one last. Rasters, layers, models, records, checkpoints and texts are all made so: what they have of their own, such
as the drivers of a layer, they check themselves.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from ..base import ownership
from ..base.progress import Progress
from ..base.temporaries import moving, remove
from ..errors import ParameterError
from ..phrases import Phrase
from . import inputs


class Staging:
    """A hidden folder beside `path` in which the output is made, and from which it is moved when whole.

    Used as a context manager: leaving it without `commit` removes what was made.
    """

    def __init__(self, path: str, progress: Progress, name: str = "") -> None:
        """Make the folder, after removing those of processes that are gone.

        Args:
            path: the output, a file or a folder.
            progress: told of the hidden folder.
            name: mention of the parameter, by `errors.field`, for messages.

        Raises:
            ParameterError: the output's folder does not exist or cannot be written to.
        """
        self.final, self.progress, self._name = Path(path), progress, name
        check_writable(path, name)
        ownership.remove_abandoned(self.final.parent)
        self.folder = self.final.parent / ownership.planned_name()
        try:
            with moving:  # a process that is about to end removes it, or it is not made
                progress.temporary(str(self.folder))
                ownership.claim(self.folder)
        except OSError as error:
            raise self._unwritable(error) from error
        self.path = self.folder / self.final.name

    @classmethod
    def of_file(cls, path: str, progress: Progress, name: str = "") -> Staging:
        """Return the staging of an output that is a file; see `Staging`.

        Raises:
            ParameterError: it is a folder, too.
        """
        check_file(path, name)
        return cls(path, progress, name)

    def __enter__(self) -> Staging:
        return self

    def __exit__(self, *_: object) -> None:
        remove(str(self.folder))

    def write_text(self, text: str) -> None:
        """Make the output of a text, in UTF-8 and with its line ends as they are.

        Raises:
            ParameterError: it cannot be written, for instance because the disk is full.
        """
        try:
            self.path.write_bytes(text.encode("utf-8"))
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> ParameterError:
        return ParameterError(
            "{final}, which cannot be written: {reason}. Choose another place.",
            final=_told(self.final, self._name),
            reason=error.strerror,
        )

    def commit(self) -> None:
        """Move what was made to its final place, the main file last; an older output is replaced.

        Raises:
            ParameterError: a file cannot be moved, for instance because another program has it open.
            RasterError: an input has changed since it was opened.
        """
        inputs.check_unchanged()
        made = sorted((p for p in self.folder.iterdir() if p.name != ownership.LOCK), key=lambda p: p == self.path)
        try:
            with moving:
                for stale in _companions(self.final):
                    if not (self.folder / stale.name).exists():
                        stale.unlink(missing_ok=True)  # another run may write the same output
                for item in made:
                    _replace(item, self.final.parent / item.name, self.folder)
        except OSError as error:
            raise ParameterError(
                "Cannot replace {filename2}: {reason}. Is it open in another program?",
                filename2=error.filename2 or error.filename,
                reason=error.strerror,
            ) from error


def _replace(made: Path, target: Path, hidden: Path) -> None:
    """Move `made` to `target`. An older folder there steps aside, and comes back if that fails; else it goes with `hidden`."""
    if not target.is_dir() or target.is_symlink():
        os.replace(made, target)
        return
    aside = target.with_name(f"{target.name}.replaced-{uuid.uuid4().hex[:8]}")
    os.replace(target, aside)
    try:
        os.replace(made, target)
    except OSError:
        os.replace(aside, target)
        raise
    os.replace(aside, hidden / aside.name)


def write_text_file(path: str, text: str, progress: Progress, name: str = "") -> None:
    """Write a text file, such as a report, whole or not at all; see `Staging`.

    Raises:
        ParameterError: it cannot be written.
        RasterError: an input has changed since it was opened.
    """
    with Staging.of_file(path, progress, name) as staging:
        staging.write_text(text)
        staging.commit()


def check_writable(path: str, name: str = "") -> None:
    """Raise ParameterError unless a file or folder can be made at `path`; makes nothing. See `Staging` for `name`."""
    parent = Path(path).absolute().parent
    if not parent.is_dir():
        raise ParameterError(
            "{path}, but the folder {parent} does not exist: create it, or choose another.",
            path=_told(path, name),
            parent=parent,
        )
    if not os.access(parent, os.W_OK | os.X_OK):
        raise ParameterError(
            "{path}, but the folder {parent} is not writable: choose another.", path=_told(path, name), parent=parent
        )


def check_file(path: str, name: str = "") -> None:
    """Raise ParameterError unless a file can be made at `path`; makes nothing. See `Staging` for `name`."""
    check_writable(path, name)
    if os.path.isdir(path):
        raise ParameterError("{path}, which is a folder: choose a file.", path=_told(path, name))


def _told(path: str | Path, name: str) -> str:
    return Phrase("{name} is {path}", name=name or Phrase("The output"), path=path)


_COMPANIONS = {
    ".gpkg": ("{name}-wal", "{name}-shm", "{name}-journal"),
    ".sqlite": ("{name}-wal", "{name}-shm", "{name}-journal"),
    ".shp": tuple(
        "{stem}" + end for end in (".qix", ".sbn", ".sbx", ".cpg", ".prj", ".qpj", ".idm", ".ind", ".shp.xml")
    ),
    ".csv": ("{stem}.csvt", "{stem}.prj"),
    ".gml": ("{stem}.gfs", "{stem}.xsd"),
}


def _companions(path: Path) -> list[Path]:
    """Files that an older output may have beside it, and that would be read with a newer one."""
    names = ("{name}.aux.xml", "{name}.ovr", "{name}.msk", *_COMPANIONS.get(path.suffix.lower(), ()))
    return [p for p in (path.with_name(name.format(name=path.name, stem=path.stem)) for name in names) if p.exists()]
