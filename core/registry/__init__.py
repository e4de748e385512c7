"""From the name of an operation to its run: values read, inputs watched, the body called."""

from __future__ import annotations

from .declarations import declaration, function_at, in_keys_of, memory_cure, names, read
from .running import function, run

__all__ = ["declaration", "function", "function_at", "in_keys_of", "memory_cure", "names", "read", "run"]
