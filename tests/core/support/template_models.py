"""Models of templates, as CreateModel makes them, and images of patches to make them for."""

from __future__ import annotations

import json
from pathlib import Path

import serving

from otbtf_qgis.core import registry
from otbtf_qgis.core.parameters.templatedescription import CLASSIFICATION
from otbtf_qgis.core.parameters.templatenames import TEMPLATES

DATES = " ".join(f"2020-{month:02}-10" for month in range(1, 13))


def create(folder, template, progress=None, **values):
    """Run CreateModel; `bands` and so on as keywords, `out_keras` as `out__keras`."""
    if TEMPLATES[template].task == CLASSIFICATION:
        values.setdefault("classes", 3)
    given = {key.replace("__", "."): value for key, value in values.items()}
    given.setdefault("out.keras", str(folder / f"{template}.keras"))
    return registry.run("CreateModel", {"template": template, "seed": 1, **given}, progress)


def patches(folder, name, bands, classes=(), **statistics):
    """Write patches of 16 x 16 and the JSON beside them; statistics: one value per band, null where none is given."""
    path = serving.write_at(folder / name, serving.texture(32, 16, bands, dtype="uint16"))
    none = dict.fromkeys(("min", "max", "mean", "std"))
    rows = [{**none, **{key: values[band] for key, values in statistics.items()}} for band in range(bands)]
    content = {"version": 1, "content": "patches", "classes": list(classes), "statistics": rows}
    Path(f"{path}.json").write_text(json.dumps(content), encoding="utf-8")
    return path
