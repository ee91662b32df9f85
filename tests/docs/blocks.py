"""Code blocks, headings and sentences of the pages, as text."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
WRITTEN_PAGES = [page for page in PAGES if page.name not in {"cli.md", "sdk.md"}]
"""What people write; the others are made from the program itself."""


def read(page: str | Path) -> str:
    """A page by its path, that from the root of the repository."""
    return (ROOT / page).read_text(encoding="utf-8")


def fenced(page: str | Path, language: str) -> list[str]:
    """The blocks between fences of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", read(page), re.DOTALL | re.MULTILINE)


def command_lines(page: str | Path, program: str) -> list[str]:
    """The lines of indented and fenced blocks that call a program, as one types them.

    Lines that end in a backslash are joined, and what follows two spaces and a # is left out.
    """
    text = re.sub(r"\\\n\s*", "", read(page))
    text = re.sub(
        r"^```\w*\n(.*?)^```$", lambda block: re.sub("(?m)^", "    ", block[1]), text, flags=re.DOTALL | re.MULTILINE
    )
    lines = re.findall(rf"^ {{4,}}(?:\$ )?({re.escape(program)} .+)$", text, re.MULTILINE)
    return [re.split(r"\s+#\s", line)[0].strip() for line in lines]


def prose(page: str | Path) -> str:
    """A page without its blocks of code, every paragraph on one line, so that no code mark is cut."""
    text = re.sub(r"^```.*?^```$", "", read(page), flags=re.DOTALL | re.MULTILINE)
    kept = [line for line in text.splitlines() if not line.startswith("    ")]
    return "\n".join(" ".join(part.split()) for part in "\n".join(kept).split("\n\n"))


def headings(page: str | Path) -> set[str]:
    """The anchors that a page's headings make, as GitHub does."""
    text = re.sub(r"^```.*?^```$", "", read(page), flags=re.DOTALL | re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
