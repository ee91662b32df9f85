"""The example that goes from a sample to a folder that serves, on the real zoo; short runs, which may not count."""

from __future__ import annotations

import pytest
from rich.console import Console

from examples import deploying
from examples.zoo.locations import zoo_folder


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not (zoo_folder() / "images").is_dir(), reason="the zoo is not built: python -m examples.zoo build")
def test_it_goes_all_the_way_or_says_that_nothing_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploying, "_MODELS", ("digits-scans",))
    monkeypatch.setattr(deploying, "_FORMS", ("--backend", "onnxruntime", "--precision", "int8_static"))
    monkeypatch.setattr(
        deploying, "_LOADS", ("--load", "server:200", "--repeats", "2", "--min-duration", "1", "--min-queries", "662")
    )
    console = Console(width=200, record=True)
    deploying.run(console)
    told = console.export_text()
    assert "$ msearch-cli recommend" in told
    assert ("exported to " in told) == ("run_onnxruntime.py" in told)
    assert "exported to " in told or "nothing to export" in told
