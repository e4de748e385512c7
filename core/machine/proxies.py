"""The proxy through which pip reaches the package index.

QGIS has a proxy in its settings, perhaps with a password. It goes to pip in environment variables: what is an argument of
a program, or a parameter of an operation, is kept in logs and shown to others.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from contextvars import ContextVar

_variables: ContextVar[Mapping[str, str] | None] = ContextVar("proxy_variables", default=None)


@contextlib.contextmanager
def used(variables: Mapping[str, str]) -> Iterator[None]:
    """Let the programs that `with_proxy` is asked for use a proxy, in this thread.

    Args:
        variables: such as HTTPS_PROXY and NO_PROXY; empty for those of this process.
    """
    token = _variables.set(variables)
    try:
        yield
    finally:
        _variables.reset(token)


def with_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """Return environment variables, those of the proxy in use in place of their own."""
    ours = _variables.get() or {}
    # Where both spellings are there, Python takes the lower-case one.
    kept = {name: value for name, value in environment.items() if name.upper() not in ours}
    return {**kept, **ours}


def without_credentials(text: str) -> str:
    """Return a text in which addresses have lost the user and password before the host."""
    return re.sub(r"(?<=://)[^/\s@'\"]+@", "***@", text)
