"""The checksums of TFRecords' frames."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otbtf_qgis.core.records.recordframes import crc32c


def slowly(data: bytes) -> int:
    """CRC-32C bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    ("data", "crc"),  # RFC 3720, B.4
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"123456789", 0xE3069283),
    ],
)
def test_known_checks(data: bytes, crc: int) -> None:
    assert int(crc32c(np.frombuffer(data, "uint8")[None])[0]) == crc


@given(st.integers(1, 5), st.integers(0, 700), st.integers(0, 99))
def test_checks_of_any_length(count: int, length: int, seed: int) -> None:
    records = np.random.default_rng(seed).integers(0, 256, (count, length), dtype="uint8")
    assert crc32c(records).tolist() == [slowly(record.tobytes()) for record in records]
