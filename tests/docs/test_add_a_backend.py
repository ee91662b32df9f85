"""docs/add-a-backend.md: its file, put where the page says, is found and passes the contract suite."""

from __future__ import annotations

from pathlib import Path

from tests.docs.plugin_pages import PlugInPage, count_passed

PAGE = PlugInPage(
    page="docs/add-a-backend.md",
    package="profiler_agent.backends",
    name="onnx_reference",
    find="find_backends",
    suite="test_backend_contract.py",
)


def test_the_file_of_the_page_passes_the_contract_suite(tmp_path: Path) -> None:
    assert count_passed(PAGE, tmp_path) > 25
