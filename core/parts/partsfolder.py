"""The folder of the parts of one output: `map.parts` beside `map.vrt`, or beside `map.tif` that is made of the same parts.

It holds `plan.json`, which the first run makes, and for each part that is done `part-00003.tif` and its note; of an
operation with a second output, `part-00003.confmap.tif` as well; of a layer of objects, `part-00003.boxes.npy`. Any number
of processes and machines work in it at a time, without a lock: the plan is linked to its place, which fails if there is
one; parts and notes are renamed into theirs.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Collection, Mapping
from pathlib import Path

from ..base import ownership
from ..base.jsonvalues import OddJson
from ..base.progress import Progress
from ..errors import ParameterError, field
from ..files.staging import Staging
from ..phrases import Phrase
from .partidentity import differences
from .partplan import PartPlan, read_plan

PLAN = "plan.json"

_joined = Phrase("; ").join

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL)


class PartsFolder:
    """The folder of the parts of an output, which need not exist yet."""

    def __init__(self, out: str) -> None:
        """Take the folder beside the output `out`; its extension does not matter."""
        self.path = Path(os.path.abspath(out)).with_suffix(".parts")

    def make(self) -> None:
        """Make the folder, where there is none.

        Raises:
            ParameterError: it cannot be made, or holds something else.
        """
        try:
            self.path.mkdir(exist_ok=True)
            others = [item.name for item in self.path.iterdir() if not ownership.is_hidden(item.name)]
        except OSError as error:
            raise ParameterError(
                "The parts of {out} are written to {path}, which cannot be made or read: {strerror}. Choose "
                "another output.",
                out=field("out"),
                path=self.path,
                strerror=error.strerror,
            ) from error
        if others and not (self.path / PLAN).exists():
            raise ParameterError(
                "The parts of {out} are written to {path}, but that folder contains other files ({others}, "
                "...): choose another output.",
                out=field("out"),
                path=self.path,
                others=others[0],
            )

    def plan(self) -> PartPlan | None:
        """Return the plan that all runs have in common; None where none has been made yet.

        Raises:
            ParameterError: it cannot be read.
        """
        place = self.path / PLAN
        try:
            return read_plan(place.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ParameterError(
                "The plan {place} cannot be read: {strerror}.", place=place, strerror=error.strerror
            ) from error
        except OddJson as error:
            raise ParameterError(
                "The plan {place} is damaged or of another version: {error}. Choose another {out}, or delete "
                "{path} if you no longer need its parts.",
                place=place,
                error=error,
                out=field("out"),
                path=self.path,
            ) from error

    def agree(self, plan: PartPlan, progress: Progress) -> PartPlan:
        """Offer a plan, and return the one that all runs follow: this one, or that of a run which was sooner.

        Raises:
            ParameterError: it cannot be written, or is too large to be read again.
        """
        place, text = self.path / PLAN, plan.text()
        try:
            read_plan(text.encode())  # all runs would fail at what lies there once
        except OddJson as error:
            raise ParameterError(
                "The plan {place} cannot be made: {error}. Compute the output without parts.", place=place, error=error
            ) from error
        with Staging(str(place), progress) as staging:
            staging.write_text(text)
            try:
                os.link(staging.path, place)  # fails where there is one: renaming would replace it
            except FileExistsError:
                pass
            except OSError as error:
                cure = (
                    Phrase(
                        "its file system has no hard links, by which runs agree on a plan: choose a folder on another."
                    )
                    if error.errno in _NO_LINKS
                    else f"{error.strerror}."
                )
                raise ParameterError("The plan {place} cannot be made: {cure}", place=place, cure=cure) from error
        agreed = self.plan()
        if agreed is None:
            raise ParameterError("The plan {place} was removed by another program: run again.", place=place)
        return agreed

    def check_is_of(self, plan: PartPlan, identity: Mapping[str, str], but: Collection[str] = ()) -> None:
        """Raise ParameterError where a plan is not that of a run; see `core.parts.partidentity.differences`."""
        if found := differences(plan.identity, identity, but):
            raise ParameterError(
                "{path} holds the parts of another run. What differs: {joined}. Run with the same, choose "
                "another {out}, or delete the folder if you no longer need its parts.",
                path=self.path,
                joined=_joined(found),
                out=field("out"),
            )

    def check_still(self, plan: PartPlan) -> None:
        """Raise ParameterError where the folder has got another plan meanwhile, or none."""
        try:
            same = (self.path / PLAN).read_bytes() == plan.text().encode()
        except OSError:
            same = False
        if not same:
            raise ParameterError(
                "{path} was removed or replaced while this run computed a part of it: run again.", path=self.path
            )

    def part(self, number: int, end: str) -> Path:
        """Return the path of a file of a part; the plan has the ends of their names."""
        return self.path / f"part-{number:05d}.{end}"

    def note(self, number: int) -> Path:
        """Return the path of a part's note."""
        return self.part(number, "json")

    def remove(self, plan: PartPlan) -> None:
        """Remove the parts of a plan, and the folder if nothing else lies in it; the plan first, so that no run follows it."""
        self.check_still(plan)
        (self.path / PLAN).unlink(missing_ok=True)
        for number in range(len(plan.parts)):
            for file in (self.note(number), *(self.part(number, end) for end in plan.files)):
                file.unlink(missing_ok=True)
        ownership.remove_abandoned(self.path)
        with contextlib.suppress(OSError):  # something else lies in it
            self.path.rmdir()
