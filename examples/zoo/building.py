"""Builds the zoo, one workload after the other; what was built from the same sources and archives is reused."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

import msearch_card
import msearch_sketch
from examples.zoo import activity, images, matching, sentiment, topics
from examples.zoo.entries import Recipe
from examples.zoo.fetch import Archives, fetch_all, listed_archives
from examples.zoo.locations import archive_folder, zoo_folder
from examples.zoo.training import one_deterministic_thread
from examples.zoo.writing import MANIFEST, write_manifest, write_workload

RECIPES: tuple[Recipe, ...] = (images.RECIPE, activity.RECIPE, sentiment.RECIPE, topics.RECIPE, matching.RECIPE)
_STAMP = "built-from"
_READ_ONLY = {"__main__.py", "evaluation.py", "quality.py", "reading.py"}
"""Modules of this package that only look at a built zoo."""


@dataclass(frozen=True, slots=True)
class Zoo:
    """A built zoo: its folder, the recipes that are there, and why the others are not, by workload."""

    folder: Path
    recipes: tuple[Recipe, ...]
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def manifest(self) -> Path:
        """The manifest over all workloads."""
        return self.folder / MANIFEST


def build_zoo(console: Console, only: Sequence[str] = ()) -> Zoo:
    """Fetches what is missing and builds what is out of date; workloads that cannot be built are named and skipped."""
    chosen = [recipe for recipe in RECIPES if not only or recipe.name in only]
    zoo = zoo_folder()
    archives = fetch_all(archive_folder(), console)
    built, skipped = [], {}
    for recipe in chosen:
        if absent := archives.absent(recipe.needs):
            skipped[recipe.name] = "; ".join(absent)
            console.print(f"[yellow]skipped[/] {recipe.title}: {skipped[recipe.name]}", highlight=False)
            continue
        _build(recipe, archives, zoo, console)
        built.append(recipe)
    if built:
        write_manifest(zoo, [recipe.name for recipe in RECIPES if (zoo / recipe.name).is_dir()])
    return Zoo(zoo, tuple(built), skipped)


def _build(recipe: Recipe, archives: Archives, zoo: Path, console: Console) -> None:
    folder, stamp = zoo / recipe.name, _digest(recipe)
    if (folder / _STAMP).is_file() and (folder / _STAMP).read_text(encoding="utf-8") == stamp:
        console.print(f"{recipe.title}: built before", highlight=False)
        return
    zoo.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=zoo, prefix=f".{recipe.name}-"))
    try:
        with console.status(recipe.title) as status, one_deterministic_thread():

            def notice(line: str) -> None:
                status.update(f"{recipe.title}: {line}")

            write_workload(recipe, recipe.build(archives, notice), scratch / "new", notice)
        (scratch / "new" / _STAMP).write_text(stamp, encoding="utf-8")
        if folder.exists():
            folder.rename(scratch / "old")
        (scratch / "new").rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    models = len(list((folder / "models").iterdir()))
    targets = len(list((folder / "targets").iterdir()))
    console.print(f"{recipe.title}: built {models} models and {targets} targets", highlight=False)


def _digest(recipe: Recipe) -> str:
    """Digest of all that a workload is built from: this package, the card's adapters, the featurisers, the archives."""
    listed = listed_archives()
    digest = hashlib.sha256("".join(listed[package].sha256 for package in recipe.needs).encode())
    featurisers = Path(msearch_sketch.__file__).parent / "featurisers"
    for folder in (Path(__file__).parent, Path(msearch_card.__file__).parent, featurisers):
        for path in sorted(folder.rglob("*.py")):
            if path.parent != Path(__file__).parent or path.name not in _READ_ONLY:
                digest.update(path.relative_to(folder).as_posix().encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()
