"""RunTable: one operation over the rows of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..parameters import sections
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.clusteraddress import needs_cluster
from ..parameters.operation import NumberResult, Operation, TextResult
from ..parameters.tableoperations import MERGED, OPERATIONS

PIXEL_VALUES = ("auto", "scaled", "stored")


@dataclass(frozen=True)
class RunTable(Operation):
    """OTBTF has no such application."""

    TITLE = "Run an operation over a table"
    GROUP = "inference"
    DESCRIPTION = (
        "Runs one operation for each row of a table, such as a map for each of many images. The table is a CSV file, a "
        "layer, or a STAC item collection (a file, or the address of a search). All rows are checked before the first one "
        "runs. A row that fails is listed with its error, and the others are run.\n\n"
        "In a CSV file or layer, columns named as parameters of the operation (SOURCE1_IL) give their values; other columns "
        "can be used in paths: maps/{id}.tif. Of STAC items, paths can use properties, and assets by their keys: "
        "SOURCE1_IL={B02};{B03}. Relative paths in the table begin in its folder.\n\n"
        "A run that was stopped can be resumed. Where results add up, such as confusion matrices, their sum can be "
        "written, too."
    )
    RESULTS = (
        NumberResult("rows", "Number of rows"),
        NumberResult("done", "Number of rows that are done"),
        NumberResult("kept", "Number of rows among them that an earlier run has done"),
        NumberResult("failed", "Number of rows that failed"),
        TextResult("merged", "Numbers of the merged result (JSON)"),
    )
    RUN = "tables.tablerun:run_table"
    CHECK = "tables.tablechecks:check_table_run"
    NEEDS_ENGINE = True
    OPENS_FIRST = True

    operation: str = voc.choice(
        "operation", "Operation", "The operation to run for each row.", OPERATIONS, section=sections.SETTINGS
    )
    table: str = voc.file(
        "table",
        "Table",
        "CSV file (UTF-8; its first line names the columns), layer (path|layername=name), STAC item collection (JSON), or the "
        "http(s) address of a STAC search.",
        file_filter="Tables (*.csv *.txt *.tsv *.json *.geojson *.gpkg *.ods *.xlsx);;All files (*)",
        section=sections.SETTINGS,
    )
    parameters: str = voc.text(
        "parameters",
        "Parameters of all rows",
        "What all rows have in common: NAME=value, separated by spaces or line ends, in quotes if a value has spaces; or a "
        "JSON object. Several files of one parameter are separated by semicolons. In paths, {name} is the row's value in "
        "that column, and {row} its number.",
        section=sections.SETTINGS,
    )
    pixelvalues: str = voc.choice(
        "pixelvalues",
        "Pixel values of STAC assets",
        "stored: the numbers in the files. scaled: physical values, by the scale and offset that the items give. auto: the "
        "numbers in the files, if no item gives a scale or an offset; otherwise you have to choose.",
        PIXEL_VALUES,
        section=sections.SETTINGS,
    )
    mask: str = voc.text(
        "mask",
        "No-data mask of STAC items",
        "Asset that marks pixels to leave out, and its values there, from 0 to 255, such as SCL=0,1,3,8-10.",
        section=sections.NODATA,
    )
    merge: bool = voc.boolean(
        "merge",
        "Merge the results",
        f"On: also write the sum of all rows, as if one run had covered all of them. For {', '.join(MERGED)}.",
        section=sections.SETTINGS,
    )
    resume: bool = voc.boolean(
        "resume",
        "Resume",
        "On: keep the rows that an earlier run with the same OUT has done, if their parameters and inputs are unchanged, and "
        "run the others.",
        section=sections.SETTINGS,
    )
    cluster: Any = shared.cluster("Run several rows at a time", "the outputs' folders")
    cluster_tls: str | None = shared.cluster_tls()
    out: str = voc.file_out(
        "out",
        "Results",
        "CSV file with a line for each row: done, kept, empty or failed, outputs, numbers, seconds and error. The journal "
        "for RESUME lies beside it.",
        required=True,
        file_filter="CSV files (*.csv)",
    )
    out_items: str | None = voc.file_out(
        "out.items",
        "Results as STAC items",
        "STAC item collection with an item for each row that is done: its outputs, and the fields of the model (MLM) that "
        "made them.",
        file_filter="STAC item collections (*.json)",
    )
    out_merged: str | None = voc.file_out(
        "out.merged",
        "Merged result",
        "What MERGE writes: statistics (.xml), a confusion matrix (.csv) or points (.gpkg). Default: beside OUT.",
        file_filter="Merged results (*.xml *.csv *.gpkg);;All files (*)",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cluster_tls and not self.cluster:
            raise needs_cluster("cluster_tls")
