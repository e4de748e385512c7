"""What samples are for: training, validation or test."""

from __future__ import annotations

from enum import IntEnum


class SampleRole(IntEnum):
    """What samples are for, in the order in which the three are named everywhere.

    The value is the role's number in arrays, such as those of the groups of patches. `name` begins the keys of training
    in messages (`VALIDATION_SOURCE1_IL`). As text, a role is its word: `training`, `validation`, `test`.
    """

    TRAINING = 0
    VALIDATION = 1
    TEST = 2

    @property
    def short(self) -> str:
        """The role in the keys of PatchesSelection: `train`, `valid`, `test`."""
        return ("train", "valid", "test")[self]

    def __str__(self) -> str:
        """Return the role's word."""
        return self.name.lower()

    def __format__(self, format_spec: str) -> str:
        """Return the role's word in an f-string too, whatever the version of Python does with numbers."""
        return format(str(self), format_spec)
