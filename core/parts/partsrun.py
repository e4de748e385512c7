"""A run that follows the common plan: it computes parts, and notes which are done."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from ..base.jsonvalues import OddJson
from ..base.progress import Progress
from ..errors import ParameterError, field
from ..files.staging import Staging
from ..machine.memory import MB
from ..machine.memorylimit import memory_limit
from ..phrases import Phrase
from .partedoutput import PartedOutput, PartMaker
from .partedwork import PartedWork
from .partidentity import OF_THE_FORMAT
from .partnotes import PartNote, valid_note
from .partplan import PartPlan
from .partsfolder import PLAN, PartsFolder


@dataclass(frozen=True)
class PartsRun:
    """A run that follows the common plan.

    Attributes:
        folder: of the parts.
        plan: that all follow.
        maker: makes them.
    """

    folder: PartsFolder
    plan: PartPlan
    maker: PartMaker

    def note(self, number: int, thoroughly: bool = False) -> PartNote | None:
        """Return the note of a part that is done; see `core.parts.partnotes.valid_note`."""
        return valid_note(self.folder, self.plan, number, thoroughly)

    def compute_part(self, number: int, progress: Progress) -> PartNote:
        """Compute a part, and note it.

        Raises:
            OtbtfError: it cannot be computed, or the folder is another by now.
            Cancelled: `progress` asked to stop; nothing of the part is left.
        """
        progress.check()
        plan, started = self.plan, time.monotonic()
        with ExitStack() as stack:
            places = [stack.enter_context(Staging(str(self.folder.part(number, end)), progress)) for end in plan.files]
            made = self.maker.make(number, places, progress)
            note = PartNote.of(plan, [place.path for place in places], made, time.monotonic() - started)
            self.folder.check_still(plan)
            for place in places:
                place.commit()
        note.write(self.folder.note(number), progress)
        for told in made.told:
            progress.warning(Phrase("Part {number}: {told}", number=number, told=told))
        return note


def agreed_run(
    parameters: Any, work: PartedWork, asked: PartedOutput, runs: int, side: int | None, progress: Progress
) -> PartsRun:
    """Return the run that follows the plan which all runs have in common; it is made where there is none.

    Args:
        parameters: as the user gives them.
        work: the operation, with its inputs open.
        asked: its outputs.
        runs: how many share the parts.
        side: width and height of parts that the user sets; None where it is chosen.
        progress: told what is planned.

    Raises:
        ParameterError: the plan is that of other inputs, or takes more memory than there is.
    """
    identity = work.identity(asked.virtual)
    folder = PartsFolder(asked.out)
    folder.make()
    plan = folder.plan()
    if plan is None:
        plan = folder.agree(asked.planned(parameters, work, identity, runs, side, progress), progress)
    run = follow_plan(parameters, work, asked, folder, plan, identity, progress)
    if side is not None and plan.part != (made := asked.part_size(plan, side)):
        raise ParameterError(
            "{cluster_partsize} is {side}, but the parts in {path} have {part} x {part2} {unit}, not "
            "{made} x {made2}: leave it out, or choose another {out}.",
            cluster_partsize=field("cluster_partsize"),
            side=side,
            path=folder.path,
            part=plan.part[0],
            part2=plan.part[1],
            unit=asked.unit,
            made=made[0],
            made2=made[1],
            out=field("out"),
        )
    return run


def follow_plan(
    parameters: Any,
    work: PartedWork,
    asked: PartedOutput,
    folder: PartsFolder,
    plan: PartPlan,
    identity: dict[str, str],
    progress: Progress,
) -> PartsRun:
    """Return the run that follows a plan which was made before.

    Raises:
        ParameterError: it is that of other inputs, or takes more memory than there is.
    """
    folder.check_is_of(plan, identity, () if asked.virtual else OF_THE_FORMAT)
    _check_memory(plan, parameters.memory or parameters.ram)
    try:
        return PartsRun(folder, plan, asked.followed(work, folder, plan, progress))
    except OddJson as error:
        raise ParameterError(
            "The plan {path} is damaged: {error}. Choose another {out}, or delete {path2} if you no longer "
            "need its parts.",
            path=folder.path / PLAN,
            error=error,
            out=field("out"),
            path2=folder.path,
        ) from error


def _check_memory(plan: PartPlan, given: int | None) -> None:
    """Raise ParameterError where this machine, or what the user allows, has less memory than the plan takes."""
    needed, limit = plan.memory, memory_limit()
    if given is not None and given * MB < needed:
        raise ParameterError(
            "{memory} is {given}, but the plan of these parts takes {needed} MB: allow as much, or begin "
            "anew in another folder with {memory}={given}.",
            memory=field("memory"),
            given=given,
            needed=needed // MB,
        )
    if limit < needed:
        raise ParameterError(
            "The plan of these parts takes {needed} MB, but this machine, or its job, has {limit} MB: use "
            "one that has more, or begin anew in another folder with a smaller {memory}.",
            needed=needed // MB,
            limit=limit // MB,
            memory=field("memory"),
        )
