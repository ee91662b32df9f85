"""The public face of the SDK: every name is meant, documented, and says that it lives in msearch_client."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import msearch_client
from docs.generate import PAGES, ROOT

SOURCE = Path(msearch_client.__file__).parent


@pytest.mark.parametrize("name", msearch_client.__all__)
def test_every_exported_name_is_documented_and_at_home(name: str) -> None:
    exported = getattr(msearch_client, name)
    assert exported.__module__ == "msearch_client"
    assert inspect.getdoc(exported)
    assert "`" + name + "`" in (ROOT / "sdk.md").read_text(encoding="utf-8") or f"## {name}" in (
        ROOT / "sdk.md"
    ).read_text(encoding="utf-8")


def test_everything_public_is_exported() -> None:
    public = {name for name, value in vars(msearch_client).items() if inspect.isclass(value)}
    assert public == set(msearch_client.__all__)
    assert sorted(msearch_client.__all__) == sorted(set(msearch_client.__all__))


def test_every_public_method_of_the_client_is_documented() -> None:
    for name, method in inspect.getmembers(msearch_client.Client, inspect.isfunction):
        assert name.startswith("_") or inspect.getdoc(method), name


@pytest.mark.parametrize("page", PAGES)
def test_the_reference_pages_are_current(page: str) -> None:
    assert (ROOT / page).read_text(encoding="utf-8") == PAGES[page](), f"docs/{page} is not current: run `make docs`"


def test_only_wire_and_transport_know_grpc() -> None:
    allowed = {"_transport.py", "_channels.py", "_status.py", "_client.py"}
    for path in sorted(SOURCE.rglob("*.py")):
        if path.name in allowed or path.parent.name == "_wire":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found = {name.partition(".")[0] for name in names} & {"grpc", "grpc_status", "google", "msearch"}
            assert not found, f"{path.name} imports {found}"
