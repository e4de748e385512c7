"""Optional packages of an engine, by the names that EXTRAS takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..errors import ParameterError, field


@dataclass(frozen=True)
class Extra:
    """Packages for one purpose.

    Attributes:
        packages: pip's requirements; `machine.installing.constraints` has their upper bounds.
        modules: by which the installation is checked.
        on_gpu: what takes the place of `packages` in an engine for a GPU; empty for the same.
    """

    packages: tuple[str, ...]
    modules: tuple[str, ...]
    on_gpu: tuple[str, ...] = ()


EXTRAS: Mapping[str, Extra] = {
    # 2024.8.0 is the last for Python 3.9; cryptography makes the certificates of local:N.
    "cluster": Extra(("distributed>=2024.8", "cryptography"), ("distributed", "cryptography")),
    # 1.19 is the last for Python 3.9. Both packages write the same files, so an engine has one of them.
    "onnx": Extra(("onnxruntime>=1.19",), ("onnxruntime",), on_gpu=("onnxruntime-gpu>=1.19",)),
    # 0.24 is the last for Python 3.9.
    "objects": Extra(("scikit-image>=0.24",), ("skimage.segmentation",)),
}


def extras_in(text: str) -> tuple[str, ...]:
    """Return the names in a text in which spaces, commas or semicolons separate them.

    Raises:
        ParameterError: there is no such extra.
    """
    names = text.replace(",", " ").replace(";", " ").lower().split()
    if unknown := [name for name in names if name not in EXTRAS]:
        raise ParameterError(
            "{extras} is {text}, but {unknown} is none of those that exist: {existing}.",
            extras=field("extras"),
            text=text,
            unknown=unknown[0],
            existing=", ".join(EXTRAS),
        )
    return tuple(sorted(set(names)))


def packages_of(extras: Iterable[str], gpu: bool = False) -> list[str]:
    """Return pip's requirements of extras; those that this version does not know need nothing."""
    known = [EXTRAS[name] for name in extras if name in EXTRAS]
    return [package for extra in known for package in (gpu and extra.on_gpu) or extra.packages]


def modules_of(extras: Iterable[str]) -> list[str]:
    """Return the modules that must be there."""
    return [module for name in extras if name in EXTRAS for module in EXTRAS[name].modules]
