"""Filling the table of a new GeoPackage, and its spatial index, in one go.

Feature by feature through OGR, 300,000 points take seven seconds, most of them for the index, in
which SQLite looks for the right place of every point. Here OGR makes the empty layer (tables, CRS,
triggers); the rows then go in by one statement, and the index is built bottom-up from sorted points.

Format of the index: https://www.sqlite.org/rtree.html and "Database Format" in SQLite's rtree.c.
Geometries: https://www.geopackage.org/spec/#gpb_format
"""

from __future__ import annotations

import contextlib
import sqlite3
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import VectorError

_ROWS = 50_000  # rows made into Python objects at a time


class Filler:
    """Adds rows to one table of a GeoPackage that OGR has just made and closed."""

    def __init__(self, path: Path, table: str, columns: Sequence[str]) -> None:
        """Open the file.

        Args:
            path: the GeoPackage.
            table: name of the layer.
            columns: names of the attributes, in the order in which `add` gets them.

        Raises:
            VectorError: it is not as OGR makes it.
        """
        self._path, self._table = path, table
        self._database = sqlite3.connect(str(path), isolation_level=None)
        with self._explained():
            # Nobody sees the file before it is whole, so it needs no protection against a power cut.
            self._database.execute("PRAGMA synchronous = OFF")
            self._database.execute("PRAGMA journal_mode = OFF")
            self._database.execute("BEGIN")
            self._geometry, self._system = self._geometry_column()
            self._triggers = self._remove_triggers()
        names = ([self._geometry] if self._geometry else []) + list(columns)
        marks = ", ".join("?" * len(names))
        self._insert = f"INSERT INTO {_quoted(table)} ({', '.join(map(_quoted, names))}) VALUES ({marks})"  # nosec B608
        if not names:
            self._insert = f"INSERT INTO {_quoted(table)} DEFAULT VALUES"  # nosec B608
        self._rows = 0
        self._points: list[np.ndarray] = []

    def add(self, columns: Sequence[np.ndarray], x: np.ndarray | None, y: np.ndarray | None, count: int) -> None:
        """Add `count` rows; masked values become NULL.

        Raises:
            VectorError: they cannot be written, for instance because the disk is full.
        """
        with self._explained():
            for start in range(0, count, _ROWS):
                part = slice(start, min(start + _ROWS, count))
                lists: list[Any] = [column[part].tolist() for column in columns]
                if x is not None and y is not None:
                    lists.insert(0, _geometries(x[part], y[part], self._system))
                rows: Any = zip(*lists) if lists else ((),) * (part.stop - part.start)
                self._database.executemany(self._insert, rows)
        if x is not None and y is not None:
            self._points.append(np.stack((x, y), axis=1))
        self._rows += count

    def close(self) -> None:
        """Write the index, the extent and the number of rows, and close the file.

        Raises:
            VectorError: one of these cannot be written.
        """
        with self._explained():
            points = np.concatenate(self._points) if self._points else np.empty((0, 2))
            if len(points):
                self._write_index(points)
                self._write_extent(points)
            with contextlib.suppress(sqlite3.OperationalError):  # OGR's own table, which an option can switch off
                self._database.execute(
                    "UPDATE gpkg_ogr_contents SET feature_count = ? WHERE table_name = ?", (self._rows, self._table)
                )
            for trigger in self._triggers:
                self._database.execute(trigger)
            self._database.execute("COMMIT")
        self._database.close()

    def abandon(self) -> None:
        """Close the file as it is; it is going to be removed."""
        self._database.close()

    def _geometry_column(self) -> tuple[str, int]:
        found = self._database.execute(
            "SELECT column_name, srs_id FROM gpkg_geometry_columns WHERE table_name = ?", (self._table,)
        ).fetchone()
        return found or ("", 0)

    def _remove_triggers(self) -> list[str]:
        """Remove the triggers, which call functions that only OGR has; return how to make them again."""
        triggers = self._database.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (self._table,)
        ).fetchall()
        for name, _ in triggers:
            self._database.execute(f"DROP TRIGGER {_quoted(name)}")
        return [sql for _, sql in triggers]

    def _write_index(self, points: np.ndarray) -> None:
        index = f"rtree_{self._table}_{self._geometry}"
        node_table = _quoted(f"{index}_node")
        has = self._database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (f"{index}_node",)).fetchone()
        if has is None:  # made without one
            return
        root = self._database.execute(f"SELECT length(data) FROM {node_table} WHERE nodeno = 1").fetchone()  # nosec B608
        node_size = root[0]
        leaves = (np.arange(1, len(points) + 1), *_rounded_outwards(points[:, 0], points[:, 1]))
        tree = list(_nodes(leaves, node_size))
        for name in ("node", "parent", "rowid"):
            self._database.execute(f"DELETE FROM {_quoted(f'{index}_{name}')}")  # nosec B608
        for level, (numbers, blobs, children) in enumerate(tree):
            self._database.executemany(f"INSERT INTO {node_table} VALUES (?, ?)", zip(numbers.tolist(), blobs))  # nosec B608
            kind = "parent" if level else "rowid"
            statement = f"INSERT INTO {_quoted(f'{index}_{kind}')} VALUES (?, ?)"  # nosec B608 (the name is quoted)
            self._database.executemany(statement, children[children[:, 0].argsort()].tolist())  # in order: appended

    def _write_extent(self, points: np.ndarray) -> None:
        (x_min, y_min), (x_max, y_max) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        self._database.execute(
            "UPDATE gpkg_contents SET min_x = ?, max_x = ?, min_y = ?, max_y = ? WHERE table_name = ?",
            (x_min, x_max, y_min, y_max, self._table),
        )

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OverflowError) as error:
            raise VectorError(
                "Cannot write the layer {table}: {error}. Is the disk full?", table=self._table, error=error
            ) from error


def can_index() -> bool:
    """Return whether the SQLite of this process has R-trees.

    TensorFlow brings one without: where a script imports it first, it takes the place of the system's, for GDAL too.
    """
    try:
        with contextlib.closing(sqlite3.connect(":memory:")) as database:
            database.execute("CREATE VIRTUAL TABLE boxes USING rtree(id, low, high)")
    except sqlite3.Error:
        return False
    return True


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _geometries(x: np.ndarray, y: np.ndarray, system: int) -> list[bytes]:
    """Return the points as GeoPackage geometries, little-endian, without an envelope."""
    record = np.zeros(len(x), [("head", "S8"), ("kind", "S5"), ("x", "<f8"), ("y", "<f8")])
    record["head"] = b"GP\x00\x01" + struct.pack("<i", system)
    record["kind"] = b"\x01" + struct.pack("<I", 1)
    record["x"], record["y"] = x, y
    raw, size = record.tobytes(), record.itemsize
    return [raw[start : start + size] for start in range(0, len(raw), size)]


_Boxes = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Row or node numbers, and float32 x_min, x_max, y_min, y_max."""


def _rounded_outwards(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
    bounds = []
    for values in (x, y):
        near = values.astype("float32")
        bounds.append(np.where(near > values, np.nextafter(near, np.float32(-np.inf)), near))
        bounds.append(np.where(near < values, np.nextafter(near, np.float32(np.inf)), near))
    return tuple(bounds)


def _nodes(boxes: Any, node_size: int) -> Iterator[tuple[np.ndarray, list[bytes], np.ndarray]]:
    """Yield the levels of the tree from the leaves to the root, which is node 1.

    Yields:
        Numbers of the level's nodes, their blobs, and for each entry in them (its number, its node).
    """
    cell = np.dtype([("number", ">i8"), ("x0", ">f4"), ("x1", ">f4"), ("y0", ">f4"), ("y1", ">f4")])
    most = (node_size - 4) // cell.itemsize
    first, depth = 2, 0
    while True:
        boxes = _sorted_in_tiles(boxes, most)
        entries = len(boxes[0])
        count = -(-entries // most)
        numbers = np.array([1]) if count == 1 else np.arange(first, first + count)
        first += count
        cells = np.zeros(count * most, cell)
        for name, values in zip(("number", "x0", "x1", "y0", "y1"), boxes):
            cells[name][:entries] = values
        starts = np.arange(0, entries, most)
        sizes = np.minimum(entries - starts, most)
        raw, width = cells.tobytes(), most * cell.itemsize
        padding = bytes(node_size - 4 - width)
        level = depth if count == 1 else 0  # only the root tells the depth
        blobs = [
            struct.pack(">HH", level, size) + raw[i * width : (i + 1) * width] + padding
            for i, size in enumerate(sizes.tolist())
        ]
        yield numbers, blobs, np.stack((boxes[0], np.repeat(numbers, sizes)), axis=1)
        if count == 1:
            return
        lows = [np.minimum.reduceat(values, starts) for values in (boxes[1], boxes[3])]
        highs = [np.maximum.reduceat(values, starts) for values in (boxes[2], boxes[4])]
        boxes = (numbers, lows[0], highs[0], lows[1], highs[1])
        depth += 1


def _sorted_in_tiles(boxes: _Boxes, most: int) -> _Boxes:
    """Sort so that runs of `most` entries lie near each other: columns of equal number by x, inside them by y.

    Leutenegger, Lopez and Edgington, "STR: a simple and efficient algorithm for R-tree packing", 1997.
    """
    entries = len(boxes[0])
    columns = int(np.ceil(np.sqrt(-(-entries // most))))
    by_x = np.argsort(boxes[1], kind="stable")
    column = np.empty(entries, "int64")
    column[by_x] = np.arange(entries) * columns // entries
    order = np.lexsort((boxes[3], column))
    numbers, x0, x1, y0, y1 = (values[order] for values in boxes)
    return numbers, x0, x1, y0, y1
