"""Make dist/otbtf_qgis.zip, and check what plugins.qgis.org checks when it is uploaded.

    python3 .ci/package.py [--build build]

The documentation site, which `make site` has built, is its folder `help`. The files lie in BUILD/package afterwards, where
`make lint` looks at them.
"""

from __future__ import annotations

import argparse
import configparser
import re
import sys
import zipfile
from pathlib import Path

import docsite
import tree

LARGEST = 25_000_000
REQUIRED = ("name", "description", "version", "qgisMinimumVersion", "author", "email", "about", "tracker", "repository")
UNWANTED = re.compile(r"\.py[co]$|(^|/)(__pycache__|tests?|__MACOSX|\.[^/]+)(/|$)")


def complaints(package: Path) -> list[str]:
    """Return what is wrong with the plugin's folder; `archive_complaints` checks the zip."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(package / "metadata.txt", encoding="utf-8")
    metadata = dict(parser["general"]) if parser.has_section("general") else {}
    found = [f"metadata.txt has no {key}" for key in REQUIRED if not metadata.get(key, "").strip()]

    project = (tree.TOP / "pyproject.toml").read_text(encoding="utf-8")
    version = re.search(r'^version = "([^"]+)"', project, re.MULTILINE)
    if version is None or version[1] != metadata.get("version"):
        found.append("the versions in metadata.txt and pyproject.toml differ")
    if not (package / metadata.get("icon", "")).is_file():
        found.append(f"the icon {metadata.get('icon')!r} is missing")
    found += [
        f"{name} is missing" for name in ("__init__.py", "LICENSE", "README.md") if not (package / name).is_file()
    ]
    return found


def archive_complaints(archive: Path) -> list[str]:
    """Return what is wrong with the zip."""
    found = []
    with zipfile.ZipFile(archive) as opened:
        names = opened.namelist()
    if {name.split("/")[0] for name in names} != {"otbtf_qgis"}:
        found.append("the zip must have one top folder, otbtf_qgis")
    found += [f"{name} does not belong into the zip" for name in names if UNWANTED.search(name)]
    size = archive.stat().st_size
    if size > LARGEST:
        found.append(f"the zip has {size} bytes, and may have {LARGEST}")
    return found


def pack(package: Path, archive: Path) -> None:
    """Zip the folder, with the same bytes for the same files."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for path in sorted(package.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(f"{package.name}/{path.relative_to(package).as_posix()}")
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                opened.writestr(entry, path.read_bytes())


def main() -> int:
    """Make the zip and check it; return 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=tree.TOP / "build")
    build = parser.parse_args().build
    help_pages = docsite.html_folder(build)
    package = tree.lay_out(build / "package", copy=True, help_pages=help_pages)
    archive = tree.TOP / "dist" / "otbtf_qgis.zip"
    pack(package, archive)
    found = complaints(package) + archive_complaints(archive) + list(docsite.loads_from_elsewhere(help_pages))
    for complaint in found:
        print(f"package: {complaint}", file=sys.stderr)
    print(
        f"{archive}: {archive.stat().st_size / 1e6:.2f} MB, with {docsite.size(help_pages) / 1e6:.2f} MB of help unpacked"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
