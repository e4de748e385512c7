"""Names of fields that can stand together in a table of SQL, which takes no notice of the case of letters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def distinct_names(names: Sequence[str]) -> list[str]:
    """Return the names with a number appended to each that is empty, or that another before it has."""
    made: list[str] = []
    for place, name in enumerate(names, 1):
        before = {other.lower() for other in made}
        made.append(name if name and name.lower() not in before else free_name(f"{name}_{place}", [*names, *made]))
    return made


def free_name(name: str, taken: Iterable[str]) -> str:
    """Return the name, with underscores appended as long as it is taken."""
    lower = {other.lower() for other in taken}
    while name.lower() in lower:
        name += "_"
    return name
