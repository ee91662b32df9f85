"""Does as a page about plug-ins says: puts its file into a package, and runs the contract suite on what it holds."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.docs.blocks import ROOT, fenced

_PROGRAM = """
import sys
sys.path[:0] = [{copy!r}]
import pytest
import {package} as package
assert package.__file__.startswith({copy!r}), package.__file__
assert {name!r} in package.{find}()
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "--rootdir", {root!r}, "-c", {config!r},
                      "--basetemp", {copy!r} + "/tmp", {suite!r}, "-k", {name!r}]))
"""


@dataclass(frozen=True)
class PlugInPage:
    """The page, the package that its file goes into by that name, how it finds plug-ins, and their contract suite."""

    page: str
    package: str
    name: str
    find: str
    suite: str


def count_passed(page: PlugInPage, folder: Path) -> int:
    """How many tests of the suite the file passes, in a copy of the package: the page changes the package itself."""
    root, *inner = page.package.split(".")
    shutil.copytree(ROOT / root, folder / root, ignore=shutil.ignore_patterns("__pycache__"))
    (block,) = fenced(page.page, "python")
    folder.joinpath(root, *inner, f"{page.name}.py").write_text(block, encoding="utf-8")
    program = _PROGRAM.format(
        copy=str(folder),
        package=page.package,
        name=page.name,
        find=page.find,
        root=str(ROOT),
        config=str(ROOT / "pyproject.toml"),
        suite=str(ROOT / "tests" / "contracts" / page.suite),
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return int(done.stdout.splitlines()[-1].split()[0])
