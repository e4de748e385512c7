"""What rasters and layers have in common that a JSON object describes: its keys, and how a wrong one is refused."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from ..errors import OtbtfError
from ..phrases import Phrase

_Source = TypeVar("_Source", bound="DescribedSource")


class DescribedSource:
    """A frozen dataclass whose fields are the keys of the JSON object that a request has for it.

    Attributes:
        WHAT: raster or layer, for messages.
        FORM: the JSON object, for messages.
        ERROR: what is raised.
        path: what GDAL opens.
    """

    WHAT: ClassVar[str]
    FORM: ClassVar[str]
    ERROR: ClassVar[type[OtbtfError]]
    path: str

    def __str__(self) -> str:
        return self.path

    @classmethod
    def read(cls: type[_Source], given: Mapping[str, Any]) -> _Source:
        """Return the source that a JSON object describes.

        Raises:
            OtbtfError: of the class `ERROR`: it has a key that is unknown, none for the path, or a value of another type.
        """
        known = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]  # a derived class is one
        unknown = [str(key) for key in given if key not in known]
        if unknown:
            raise cls.ERROR(
                Phrase(
                    "A {what} is described with {unknown}, which is unknown: use {form}.",
                    what=cls.WHAT,
                    unknown=", ".join(unknown),
                    form=cls.FORM,
                )
            )
        if "path" not in given:
            raise cls.ERROR(Phrase("A {what} is described without its path: use {form}.", what=cls.WHAT, form=cls.FORM))
        return cls(**given)

    @classmethod
    def described(cls, source: Any) -> Any:
        """Return a JSON object as the source that it describes, a path object as text, anything else as it is.

        Raises:
            OtbtfError: see `read`.
        """
        if isinstance(source, dict):
            return cls.read(source)
        return os.fspath(source) if isinstance(source, os.PathLike) else source

    def _take(self, **values: Any) -> None:
        """Set fields of the frozen object to what they were read as."""
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    def _refused(cls, name: str, value: Any, wanted: str) -> OtbtfError:
        """Return the error for the value of a field."""
        return cls.ERROR(
            Phrase(
                "{name} of a {what} is {value!r}, but must be {wanted}: use {form}.",
                name=name,
                what=cls.WHAT,
                value=value,
                wanted=wanted,
                form=cls.FORM,
            )
        )

    @classmethod
    def _path(cls, value: Any) -> str:
        """Return a path as text, of a path object too."""
        value = os.fspath(value) if isinstance(value, os.PathLike) else value
        if not isinstance(value, str) or not value.strip():
            raise cls._refused("path", value, Phrase("a text that is not empty"))
        return value

    @classmethod
    def _text(cls, name: str, value: Any) -> str:
        """Return the text of a field, without space around it."""
        if not isinstance(value, str):
            raise cls._refused(name, value, Phrase("a text"))
        return value.strip()

    @classmethod
    def _listed(cls, name: str, value: Any, wanted: str = Phrase("a list")) -> tuple[Any, ...]:
        """Return the items of a field that is a list."""
        if not isinstance(value, (list, tuple)):
            raise cls._refused(name, value, wanted)
        return tuple(value)
