"""The rooms of core, and what each may import."""

from __future__ import annotations

ROOMS = {
    "phrases": "",
    "errors": "phrases",
    "base": "errors",
    "geometry": "base",
    "bandmath": "base",
    "records": "base",
    "parameters": "base",
    "operations": "parameters",
    "machine": "base",
    "files": "parameters",
    "rasters": "geometry files",
    "vectors": "rasters",
    "tablefiles": "vectors",
    "cluster": "machine files",
    "parts": "cluster rasters",
    "registry": "operations machine vectors",
    "engine": "machine operations files",
    "exampledata": "operations vectors",
    "classes": "vectors",
    "models": "bandmath classes machine",
    "samples": "operations classes",
    "patches": "records machine samples",
    "imagetools": "bandmath patches",
    "accuracy": "machine samples",
    "polygons": "accuracy",
    "probing": "operations models",
    "serving": "probing patches parts",
    "templates": "probing patches",
    "training": "templates serving accuracy",
    "classifiers": "serving accuracy",
    "objects": "serving polygons",
    "workflows": "registry tablefiles exampledata imagetools polygons objects training classifiers",
    "tables": "workflows cluster",
    "search": "tables",
    "entry": "tables",
}
"""The rooms of core from the bottom to the top: each with those that it may import, and through them all that these may.

An import inside a function and one for annotations only count as any other. There is no cycle: a room names only those
above it in this list.
"""
