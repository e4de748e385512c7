"""What is told of downloads."""

from __future__ import annotations

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.machine.downloads import Downloads


class Lines(Progress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, message: str) -> None:
        self.lines.append(message)


def test_file_amount_and_rate_are_told_every_few_seconds():
    now = [100.0]
    progress = Lines()
    downloads = Downloads(progress, lambda: now[0])
    downloads.begin("small")
    now[0] += 1
    downloads.advance(2_000_000, 2_000_000)
    downloads.begin("tensorflow_cpu")
    for second in range(1, 8):  # 10 MB/s, then 40 MB/s
        now[0] += 1
        downloads.advance(10_000_000 * second if second <= 3 else 30_000_000 + 40_000_000 * (second - 3), 190_000_000)
    downloads.end()
    assert progress.lines == [
        "Downloading tensorflow_cpu: 30.0 of 190.0 MB, 10.0 MB/s",
        "Downloading tensorflow_cpu: 150.0 of 190.0 MB, 40.0 MB/s",
        "Downloaded 192.0 MB in 8 s. Now the packages are installed.",
    ]


def test_nothing_is_told_where_nothing_is_downloaded():
    progress = Lines()
    Downloads(progress).end()
    assert progress.lines == []
