"""What the pages name exists: links and anchors, make targets, modules, files, settings, names of the SDK."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import importlib.util
import re
from pathlib import Path

import pytest

from msearch_client import Client
from search_service.settings import Settings, read_settings
from tests.docs.blocks import PAGES, ROOT, WRITTEN_PAGES, fenced, headings, prose

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
every_written_page = pytest.mark.parametrize("page", WRITTEN_PAGES, ids=lambda page: page.name)


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    missing = []
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)]*))?\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path = page.parent / target if target else page
        if not path.exists() or (anchor and anchor not in headings(path)):
            missing.append(f"{target}#{anchor}" if anchor else target)
    assert missing == []


@every_page
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = re.findall(r"(?:^|`|    )make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(named) <= targets


@every_written_page
def test_modules_that_are_run_exist(page: Path) -> None:
    named = set(re.findall(r"python -m ([\w.]+)", page.read_text(encoding="utf-8")))
    assert [name for name in named if importlib.util.find_spec(name) is None] == []


@every_written_page
def test_files_exist(page: Path) -> None:
    """What stands in code marks and begins with a folder of this repository."""
    folders = "|".join(path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] not in "._")
    named = re.findall(rf"`((?:{folders})/[\w./-]+)`", prose(page))
    assert [path for path in named if not (ROOT / path).exists()] == []


@every_written_page
def test_methods_of_the_client_exist(page: Path) -> None:
    named = set(re.findall(r"\b(?:client|Client)\.([a-z]\w*)\b", page.read_text(encoding="utf-8")))
    assert [name for name in named if not hasattr(Client, name)] == []


@every_written_page
def test_python_blocks_import_what_exists(page: Path) -> None:
    for block in fenced(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("msearch"):
                module = importlib.import_module(node.module)
                for alias in node.names:
                    if not hasattr(module, alias.name):
                        importlib.import_module(f"{node.module}.{alias.name}")


def test_the_settings_of_the_service_are_described_with_their_defaults() -> None:
    page = (ROOT / "docs/operating.md").read_text(encoding="utf-8").split("## Settings")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (.+?) \| .+ \|$", page, re.MULTILINE)
    told = {name: default.strip("`") for names, default in rows for name in re.findall(r"`MSEARCH_(\w+)`", names)}
    settings = read_settings({})
    fields = {field.name for field in dataclasses.fields(Settings)} - {"tls"}
    tls = {"listen_tls_cert", "listen_tls_key", "listen_tls_client_ca"}
    assert {name.lower() for name in told} == fields | tls
    for name, text in told.items():
        value = getattr(settings, name.lower(), None)
        if isinstance(value, int):
            assert read_number(text) == value, name
        elif name.lower() in {"listen", "default_order", "log_format", "log_level", "require_tokens"}:
            assert text == value, name


def read_number(text: str) -> int:
    """10,000,000 or 8 GiB."""
    number, _, unit = text.replace(",", "").partition(" ")
    return int(number) * {"": 1, "MiB": 1 << 20, "GiB": 1 << 30}[unit]
