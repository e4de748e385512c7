"""What samples are for: training, validation or test."""

from __future__ import annotations

from enum import IntEnum

from ..errors import field
from ..phrases import Phrase

_WORDS = (Phrase("training"), Phrase("validation"), Phrase("test"))


class SampleRole(IntEnum):
    """What samples are for, in the order in which the three are named everywhere.

    The value is the role's number in arrays, such as those of the groups of patches. As text, a role is its word:
    `training`, `validation`, `test`.
    """

    TRAINING = 0
    VALIDATION = 1
    TEST = 2

    @property
    def short(self) -> str:
        """The role in the keys of PatchesSelection: `train`, `valid`, `test`."""
        return ("train", "valid", "test")[self]

    def mention(self, name: str, source: str) -> str:
        """Return a mention of a parameter of TensorflowModelTrain for a source of these samples.

        Args:
            name: the field of the source, such as `il`.
            source: `source1`, `source2`, ...
        """
        sources = "sources" if self is SampleRole.TRAINING else f"{self}_sources"
        return field(name, of=sources, number=int(source.removeprefix("source")))

    def __str__(self) -> str:
        """Return the role's word."""
        return _WORDS[self]

    def __format__(self, format_spec: str) -> str:
        """Return the role's word in an f-string too, whatever the version of Python does with numbers."""
        return format(str(self), format_spec)
