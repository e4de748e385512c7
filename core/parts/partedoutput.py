"""What a kind of output (rasters, a layer of objects) provides so that it can be made of parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..base.progress import Progress
from ..files.staging import Staging
from ..geometry.grid import Box
from .partedwork import MadePart, OpenWork
from .partnotes import PartNote
from .partplan import PartPlan
from .partsfolder import PartsFolder


class Whole(Protocol):
    """Takes parts, and makes the whole of them. Used as a context manager: leaving it removes what is not finished."""

    def __enter__(self) -> Whole:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """End."""

    def arrived(self, number: int, note: PartNote, progress: Progress) -> None:
        """Take a part that is done; each once."""

    def finish(self, progress: Progress) -> None:
        """Write the whole, once all parts are there."""


class PartMaker(Protocol):
    """Makes the files of parts as a plan says, and the whole of them."""

    def place(self, number: int) -> Box:
        """Return the pixels of a part, counted from the corner of all."""

    def make(self, number: int, places: Sequence[Staging], progress: Progress) -> MadePart:
        """Make the files of a part, one for each of the plan.

        Raises:
            OtbtfError: something cannot be read, computed or written.
            Cancelled: `progress` asked to stop.
        """

    def whole(self, progress: Progress) -> Whole:
        """Return what makes the whole."""

    def results(self, notes: Sequence[PartNote]) -> dict[str, Any]:
        """Return the results of the operation, of which some need the notes of all parts."""


class PartedOutput(Protocol):
    """The outputs that a run in parts is asked for, after checking that they can be made."""

    @property
    def out(self) -> str:
        """The path that gives the folder of parts its name."""

    @property
    def virtual(self) -> bool:
        """Whether the outputs refer to the parts, which stay then and have the format that is asked for."""

    @property
    def unit(self) -> str:
        """What the box of a plan counts, in words."""

    @property
    def computing(self) -> float:
        """The share of the progress until all parts are computed."""

    def planned(
        self, parameters: Any, work: Any, identity: dict[str, str], runs: int, side: int | None, progress: Progress
    ) -> PartPlan:
        """Return the plan that this run would follow.

        Args:
            parameters: as the user gives them.
            work: the operation, with its inputs open.
            identity: of the work.
            runs: how many share the parts.
            side: width and height of parts in pixels that the user sets; None where it is chosen.
            progress: told what is planned.
        """

    def part_size(self, plan: PartPlan, side: int) -> tuple[int, int]:
        """Return width and height of the parts of a plan, had its run been given this side."""

    def followed(self, work: Any, folder: PartsFolder, plan: PartPlan, progress: Progress) -> PartMaker:
        """Return what makes parts as a plan says.

        Raises:
            OddJson: it says nothing that this kind of output or the operation understands.
        """

    def shares(self, plan: PartPlan) -> bool:
        """Return whether the parts of a plan are also those of other runs, so that this one must not remove them."""


@dataclass(frozen=True)
class PartedOperation:
    """What `core.parts.partedrun` must know of an operation. Other processes find both functions by their names.

    Attributes:
        outputs: checks the outputs that parameters ask for, and returns them.
        open_work: opens its inputs.
        packages: that decide values, by the names of their modules.
    """

    outputs: Callable[[Any], PartedOutput]
    open_work: OpenWork
    packages: Sequence[str]
