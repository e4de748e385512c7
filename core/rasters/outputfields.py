"""The parameters that say how an output raster is written, for the advice in messages."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import field
from ..phrases import Phrase

OTHER_FORMAT = Phrase("choose another format, such as .tif")


@dataclass(frozen=True)
class OutputFields:
    """Mentions of an output's parameters (see `core.errors.field`); empty where the operation has none.

    Attributes:
        pixel_type: of the pixel type.
        options: of the creation options.
        format: of the name of the driver.
    """

    pixel_type: str = ""
    options: str = ""
    format: str = ""

    def other_output(self) -> str:
        """Return the advice to write the output in another way, as a sentence."""
        ways = [Phrase("another format, such as .tif")]
        if self.pixel_type:
            ways.append(Phrase("another pixel type ({pixel_type})", pixel_type=self.pixel_type))
        if self.options:
            ways.append(Phrase("other creation options ({options})", options=self.options))
        listed = [Phrase(", ").join(ways[:-1]), ways[-1]] if len(ways) > 1 else ways
        return Phrase("Choose {ways}.", ways=Phrase(" or ").join(listed))


NO_FIELDS = OutputFields()

OUT_FIELDS = OutputFields(field("out_pixeltype"), field("out_co"), field("out_format"))


def either(advice: str, mention: str, otherwise: str) -> str:
    """Return an advice with the parameter that it concerns, or another; only the other where there is no parameter."""
    return (
        Phrase("{advice} ({mention}), or {otherwise}", advice=advice, mention=mention, otherwise=otherwise)
        if mention
        else otherwise
    )
