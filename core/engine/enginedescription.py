"""EngineReport: interpreter, libraries, devices and memory of the engine."""

from __future__ import annotations

import ctypes
import html
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..base.languages import spoken, tr
from ..base.progress import Progress
from ..errors import field
from ..files.staging import check_file, write_text_file
from ..operations.enginereport import EngineReport
from ..phrases import Phrase


def report_engine(parameters: EngineReport, progress: Progress) -> dict[str, Any]:
    """Gather what the engine is made of, and write it to the files asked for.

    Returns:
        What `gather` returns, and the paths of the files written under `out.html` and `out.json`.

    Raises:
        ParameterError: a file cannot be written.
    """
    outputs = {"out.html": parameters.out_html, "out.json": parameters.out_json}
    for key, path in outputs.items():
        if path:
            check_file(path, field(key.replace(".", "_")))
    report = gather()
    progress.fraction(0.9)
    for line in _lines(report):
        progress.info(Phrase(": ").join(line))
    texts = {"out.html": _page(report), "out.json": json.dumps(report, indent=2) + "\n"}
    for key, path in outputs.items():
        if path:
            write_text_file(path, texts[key], progress, field(key.replace(".", "_")))
            report[key] = path
    progress.fraction(1.0)
    return report


def gather() -> dict[str, Any]:
    """Return what the engine is made of.

    Returns:
        `plugin`, `interpreter`, `python`, `platform`, the versions of `tensorflow`, `keras`, `gdal`,
        `numpy` and `scikit-learn` (empty text where one is missing), `gdal_array` (empty where it can
        be imported, else the reason), `devices` (a list with `name`, `type`, for a GPU `model` and `memory_mb`
        too), `cores` (those that this process may use), `memory_total_mb` and `memory_available_mb`.
    """
    import keras
    import psutil
    import tensorflow as tf

    memory = psutil.virtual_memory()
    return {
        "plugin": _plugin_version(),
        "interpreter": sys.executable,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "gdal": _module_version("osgeo.gdal"),
        "numpy": _module_version("numpy"),
        "scikit-learn": _module_version("sklearn"),
        "gdal_array": _why_no_gdal_array(),
        "devices": _devices(tf),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1,
        "memory_total_mb": memory.total >> 20,
        "memory_available_mb": memory.available >> 20,
    }


def _plugin_version() -> str:
    """From metadata.txt, which lies in the plugin's folder, or from the package that pip installed."""
    metadata = Path(__file__).parents[2] / "metadata.txt"
    if metadata.is_file():
        for line in metadata.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition("=")
            if key.strip() == "version":
                return value.strip()
    try:
        return importlib.metadata.version("otbtf_qgis")
    except importlib.metadata.PackageNotFoundError:
        return ""


def _module_version(name: str) -> str:
    try:
        return str(importlib.import_module(name).__version__)
    except ImportError:
        return ""


def _why_no_gdal_array() -> str:
    try:
        importlib.import_module("osgeo.gdal_array")
    except ImportError as error:
        return str(error) or Phrase("it cannot be imported")
    return ""


def _devices(tf: Any) -> list[dict[str, Any]]:
    """The devices that TensorFlow sees; it takes no memory of theirs."""
    found = []
    memory = _cuda_memory()
    for device in tf.config.list_physical_devices():
        entry: dict[str, Any] = {"name": device.name.replace("/physical_device:", ""), "type": device.device_type}
        if device.device_type == "GPU":
            entry["model"] = tf.config.experimental.get_device_details(device).get("device_name", "")
            number = int(device.name.rsplit(":", 1)[1])
            if number < len(memory):
                entry["memory_mb"] = memory[number] >> 20
        found.append(entry)
    return found


def _cuda_memory() -> list[int]:
    """Bytes of memory of each CUDA device, in CUDA's order, which TensorFlow's is; empty without CUDA.

    TensorFlow tells only by taking the memory, so the driver is asked.
    """
    try:
        cuda = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return []
    count, handle, size = ctypes.c_int(), ctypes.c_int(), ctypes.c_size_t()
    if cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count)):
        return []
    sizes = []
    for number in range(count.value):
        cuda.cuDeviceGet(ctypes.byref(handle), number)
        cuda.cuDeviceTotalMem_v2(ctypes.byref(size), handle)
        sizes.append(size.value)
    return sizes


def _lines(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The report as rows of a name and a value."""
    named = {
        Phrase("Plugin"): report["plugin"],
        Phrase("Interpreter"): report["interpreter"],
        "Python": report["python"],
        Phrase("System"): report["platform"],
        "TensorFlow": report["tensorflow"],
        "Keras": report["keras"],
        "GDAL": report["gdal"],
        "NumPy": report["numpy"],
        "scikit-learn": report["scikit-learn"],
        Phrase("GDAL with NumPy (gdal_array)"): (
            Phrase("does not work: {error}", error=report["gdal_array"]) if report["gdal_array"] else Phrase("works")
        ),
    }
    rows = [(name, value or Phrase("not there")) for name, value in named.items()]
    rows += [(Phrase("Device"), _device_text(device)) for device in report["devices"]]
    rows.append((Phrase("Cores"), str(report["cores"])))
    total, free = report["memory_total_mb"], report["memory_available_mb"]
    rows.append((Phrase("Memory"), Phrase("{total} MB, {free} MB of it available", total=total, free=free)))
    return rows


def _device_text(device: Mapping[str, Any]) -> str:
    memory = f"{device['memory_mb']} MB" if "memory_mb" in device else ""
    return ", ".join(filter(None, (device["name"], device.get("model", ""), memory)))


_PAGE = """<!DOCTYPE html>
<html lang="{language}"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font-family: sans-serif; margin: 1.5em; }}
table {{ border-collapse: collapse; }}
th, td {{ text-align: left; vertical-align: top; padding: 0.3em 1em 0.3em 0; border-bottom: 1px solid #ccc; }}
th {{ font-weight: normal; color: #555; white-space: nowrap; }}
</style></head><body>
<h1>{title}</h1>
<table>
{rows}
</table>
</body></html>
"""


def _page(report: Mapping[str, Any]) -> str:
    lines = [(html.escape(_shown(name)), html.escape(_shown(value))) for name, value in _lines(report)]
    rows = "\n".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in lines)
    return _PAGE.format(language=spoken().name, title=html.escape(tr("Engine report")), rows=rows)


def _shown(value: str) -> str:
    return tr(value) if isinstance(value, Phrase) else value
