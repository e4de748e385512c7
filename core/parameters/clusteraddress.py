"""CLUSTER: where the workers are, given as text."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError, field

_LOCAL = re.compile(r"local:(?P<count>[1-9]\d{0,4})")
_ADDRESS = re.compile(r"(?P<protocol>tcp|tls)://(?P<host>\[[^\]]+\]|[^:/\s]+):(?P<port>\d{1,5})/?")


@dataclass(frozen=True)
class ClusterAddress:
    """Where the workers are.

    Attributes:
        local: number of workers to start on this machine; 0 for those of a scheduler.
        address: of a scheduler.
        file: that a scheduler has written, with its address.
    """

    local: int = 0
    address: str = ""
    file: str = ""


def cluster_address(text: str) -> ClusterAddress:
    """Return what a text stands for.

    Raises:
        ParameterError: it is of no known form.
    """
    word = text.strip()
    if match := _LOCAL.fullmatch(word):
        return ClusterAddress(local=int(match["count"]))
    if _ADDRESS.fullmatch(word):
        return ClusterAddress(address=word.rstrip("/"))
    if names_file(word):
        return ClusterAddress(file=word)
    raise ParameterError(
        "{cluster} is {text!r}, but must be local:N with the number of workers, the address of a Dask "
        "scheduler such as tcp://host:8786 or tls://host:8786, or the scheduler's file (.json).",
        cluster=field("cluster"),
        text=text,
    )


def names_file(text: str) -> bool:
    """Return whether a text is the path of a scheduler's file."""
    return text.strip().lower().endswith(".json") and "://" not in text


def is_local(cluster: Any) -> bool:
    """Return whether workers are of this machine: whether they are an executor's, or started for the run."""
    return not isinstance(cluster, str) or _LOCAL.fullmatch(cluster.strip()) is not None


def needs_cluster(name: str) -> ParameterError:
    """Return the error for a field that is given without CLUSTER."""
    return ParameterError(
        "{name} is given, but {cluster} is empty: set it, or leave {name} out.",
        name=field(name),
        cluster=field("cluster"),
    )


def is_encrypted(address: str) -> bool:
    """Return whether a scheduler's address is one of TLS."""
    return address.startswith("tls://")


def leaves_machine(address: str) -> bool:
    """Return whether an address may be reached from other machines: whether it is none of this machine's loopback."""
    match = _ADDRESS.fullmatch(address)
    host = match["host"].strip("[]") if match else ""
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"
