"""Lay the repository out as the installed plugin: one package `otbtf_qgis` with its three parts inside.

    python3 .ci/tree.py build/tree            links, for tests, mypy and editors
    python3 .ci/tree.py --copy FOLDER         copies, for the QGIS profile and the zip

Makes FOLDER/otbtf_qgis, with the catalogues compiled in its folder i18n; what an earlier call left there is replaced.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import translations

TOP = Path(__file__).resolve().parents[1]
PARTS = ("algorithms", "core", "resources")
FILES = ("metadata.txt", "LICENSE", "README.md", "CHANGELOG.md")
COMPILED = "i18n"
IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")


def lay_out(folder: Path, copy: bool, help_pages: Path | None = None) -> Path:
    """Make FOLDER/otbtf_qgis and return its path.

    Args:
        folder: where the package goes.
        copy: copy the files, else link to them.
        help_pages: the built documentation site, copied as the package's `help`; None to leave it out.
    """
    package = folder / "otbtf_qgis"
    sources = [p for p in (TOP / "otbtf_qgis").iterdir() if p.name != "__pycache__" and not p.name.startswith(".")]
    sources += [TOP / name for name in PARTS + FILES if (TOP / name).exists()]
    if copy:
        _copy(sources, package)
        if help_pages is not None:
            shutil.copytree(help_pages, package / "help")
    else:
        _link(sources, package)
    translations.compile_to(package / COMPILED)
    return package


def _copy(sources: list[Path], package: Path) -> None:
    if package.is_symlink():
        package.unlink()
    elif package.exists():
        shutil.rmtree(package)
    package.mkdir(parents=True)
    for source in sources:
        if source.is_dir():
            shutil.copytree(source, package / source.name, ignore=IGNORED)
        else:
            shutil.copy2(source, package / source.name)


def _link(sources: list[Path], package: Path) -> None:
    """Make the links that are missing and remove the others, so that a process using the tree does not notice."""
    package.mkdir(parents=True, exist_ok=True)
    wanted = {package / source.name: source for source in sources}
    for link in package.iterdir():
        if link.name not in ("__pycache__", COMPILED) and not (
            link in wanted and link.is_symlink() and link.samefile(wanted[link])
        ):
            link.unlink()
    for link, source in wanted.items():
        if not link.is_symlink():
            link.symlink_to(source, target_is_directory=source.is_dir())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--copy", action="store_true", help="copy files instead of linking to them")
    arguments = parser.parse_args()
    print(lay_out(arguments.folder, arguments.copy))
