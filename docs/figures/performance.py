"""Puts what `make bench` has found into docs/performance.md, and draws its two figures; polygons into docs/polygons.md.

    PYTHONPATH=build/tree build/venv/bin/python docs/figures/performance.py [results.json]

Without an argument, build/bench/results.json is read. A benchmark that is missing there leaves its figure as it is.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

TOP = Path(__file__).resolve().parents[2]
PAGE = TOP / "docs" / "performance.md"
POLYGONS = TOP / "docs" / "polygons.md"
FIGURES = TOP / "docs" / "figures"
BEGIN, END = "<!-- made by docs/figures/performance.py -->", "<!-- to here -->"

Rows = Sequence[Mapping[str, Any]]


def rows_of(report: Mapping[str, Any], word: str) -> Rows:
    """Return the rows of the benchmark with a word in its name; none where it was not run."""
    return next((found["rows"] for name, found in report["benches"].items() if word in name), [])


def targets(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of the table of targets."""
    yield "| Case | Target | Measured | Reached |"
    yield "| --- | --- | --- | --- |"
    for found in report["benches"].values():
        for row in found["rows"]:
            if "target" in row:
                yield f"| {row['case']} | {row['target']} | {with_unit(row)} | {'yes' if row['reached'] else 'no'} |"


def with_unit(row: Mapping[str, Any]) -> str:
    """Return what was measured, in the unit of the target: percent, seconds or times."""
    target, measured = row["target"], row["measured"]
    if "%" in target:
        return f"{measured:.1%}"
    if re.search(r"\d s$", target):
        return f"{measured:.2f} s"
    return f"{measured:.2f} times" if "times" in target else f"{measured:.3g}"


def times(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of the table of times."""
    yield "| Case | Who | Seconds | Mpx/s |"
    yield "| --- | --- | --- | --- |"
    for found in report["benches"].values():
        for row in found["rows"]:
            if "seconds" in row and "peak MB" not in row:
                name = f"{row['case']}, tiles of {row['tile']}" if "tile" in row else row["case"]
                rate = f"{row['Mpx/s']:.2f}" if "Mpx/s" in row else ""
                yield f"| {name} | {row['who']} | {row['seconds']:.2f} | {rate} |"


def peaks(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a table of times and memory."""
    yield "| Map | Who | Seconds | Peak memory, MB |"
    yield "| --- | --- | --- | --- |"
    for found in report["benches"].values():
        for row in found["rows"]:
            yield f"| {row['case']} | {row['who']} | {row['seconds']:.1f} | {row['peak MB']} |"


def put(page: Path, lines: Sequence[str]) -> None:
    """Put lines into a page, in place of those that were made before."""
    before, rest = page.read_text().split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    made = "\n".join(lines)
    page.write_text(f"{before}{BEGIN}\n\n{made}\n\n{END}{after}")


def machines(report: Mapping[str, Any]) -> str:
    """Return where and when it was measured, and how busy the machine was besides."""
    found = list(report["benches"].values())
    days = sorted({each["time"][:10] for each in found})
    loads = [each["load"] for each in found if each["load"] is not None]
    kinds = sorted({f"{each['platform']}, {each['cores']} cores, Python {each['python']}" for each in found})
    load = f" Load of the machine after each case: {min(loads):.1f} to {max(loads):.1f}." if loads else ""
    return f"Measured {' and '.join(days)} on {' and '.join(kinds)}.{load}"


def draw_tile_sizes(rows: Rows) -> None:
    """Draw megapixels per second against the side of the tiles."""
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    for who in dict.fromkeys(row["who"] for row in rows):
        points = [(row["tile"], row["Mpx/s"]) for row in rows if row["who"] == who]
        axes.plot(*zip(*points), marker="o", label=who)
    axes.set_xscale("log", base=2)
    axes.set_xticks([row["tile"] for row in rows], [str(row["tile"]) for row in rows])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("side of the tiles, pixels")
    axes.set_ylabel("Mpx/s")
    axes.set_title("A U-Net (template fcnn): rate against the size of tiles", fontsize=10)
    axes.legend()
    figure.savefig(FIGURES / "tile_size.png", dpi=120)


def draw_memory(rows: Rows) -> None:
    """Draw the peak of memory against the side of the image."""
    rows = [row for row in rows if "peak MB" in row]
    sides = [row["side"] for row in rows]
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    axes.plot(sides, [row["peak MB"] for row in rows], marker="o", label="peak")
    axes.plot(sides, [row["own MB"] for row in rows], marker="o", label="TensorFlow's own, after a first tile")
    axes.plot(sides, [side**2 * 8 / 2**20 for side in sides], linestyle=":", label="the image itself")
    axes.set_xscale("log", base=2)
    axes.set_xticks(sides, [str(side) for side in sides])
    axes.set_yscale("log")
    axes.set_xlabel("side of the image, pixels of 4 x uint16")
    axes.set_ylabel("MB")
    axes.set_title("Memory against the size of the image, MEMORY=1024", fontsize=10)
    axes.legend()
    figure.savefig(FIGURES / "memory.png", dpi=120)


def main() -> None:
    """Read the results, write the page and draw."""
    result = Path(sys.argv[1]) if len(sys.argv) > 1 else TOP / "build" / "bench" / "results.json"
    report = json.loads(result.read_text())
    # What workers cost is told in processor time, in a table written by hand.
    report["benches"] = {name: found for name, found in report["benches"].items() if not name.startswith("scale")}
    if rows := rows_of(report, "tile_size"):
        draw_tile_sizes(rows)
    if rows := rows_of(report, "memory"):
        draw_memory(rows)
    polygons = {name: found for name, found in report["benches"].items() if name.startswith("polygons")}
    if polygons:
        report["benches"] = {name: found for name, found in report["benches"].items() if name not in polygons}
        own = {"benches": polygons}
        put(POLYGONS, [*peaks(own), "", machines(own)])
    if report["benches"]:
        put(PAGE, [machines(report), "", *targets(report), "", *times(report)])


if __name__ == "__main__":
    main()
