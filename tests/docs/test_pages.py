"""What the pages say exists: links, make targets, commands of the CLI."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from msearch_client.cli import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = re.findall(r"(?:^|`|    )make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(named) <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_the_cli_exist(page: Path) -> None:
    root = typer.main.get_command(app)
    for line in re.findall(r"^\s+(?:\$ )?msearch-cli (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE):
        words = shlex.split(line.split("  #")[0], comments=True)
        command = root
        with command.make_context("msearch-cli", [], resilient_parsing=True) as context:
            while hasattr(command, "commands"):
                name = words.pop(0)
                assert name in command.commands, f"{page.name}: msearch-cli {line}"
                command = command.commands[name]
            known = {option for parameter in command.get_params(context) for option in parameter.opts}
        unknown = [word for word in words if word.startswith("-") and word.split("=")[0] not in known and word != "-"]
        assert unknown == [], f"{page.name}: msearch-cli {line}"
