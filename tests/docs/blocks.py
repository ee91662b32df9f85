"""Code blocks of the pages, as text."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def fenced(page: str, language: str) -> list[str]:
    """The blocks between fences of a language."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def command_lines(page: str, program: str) -> list[str]:
    """The lines of indented blocks that call a program, without what follows its name after two spaces and a #."""
    text = textwrap.dedent((ROOT / page).read_text(encoding="utf-8"))
    lines = re.findall(rf"^    (?:\$ )?({re.escape(program)} .+)$", text, re.MULTILINE)
    return [line.split("  #")[0].strip() for line in lines]
