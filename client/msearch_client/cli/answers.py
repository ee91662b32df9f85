"""What a person answers when asked for a row's class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from msearch_client import LocalError

Command = Literal["skip", "undo", "quit"]
_COMMANDS: dict[str, Command | Literal["none"]] = {"s": "skip", "u": "undo", "q": "quit", "n": "none"}
MOST_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Answer:
    """A class by `name` (None: no candidate knows it), or a `command` instead."""

    name: str | None
    command: Command | None = None


class Answers:
    """Reads answers: a class's name, its number in the list, or a command.

    Names win: where a class is called "s" or "2", that is what it means. A command can always be given with a colon, as
    in ":s". Numbers are offered only where no class's name is one.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = tuple(classes)
        self._folded = (
            {name.casefold(): name for name in classes} if len({*map(str.casefold, classes)}) == len(classes) else {}
        )
        self._numbered = not any(name.strip().isdecimal() for name in classes)

    @property
    def help(self) -> str:
        """What may be answered."""
        shown = self._classes[:MOST_SHOWN]
        listed = [f"{at} {name}" if self._numbered else name for at, name in enumerate(shown, 1)]
        more = f", ... ({len(self._classes)} in all)" if len(self._classes) > MOST_SHOWN else ""
        named = ", ".join(f"{self._spell(key)} {word}" for key, word in _COMMANDS.items())
        return f"classes: {', '.join(listed)}{more}; {named}"

    def read(self, text: str) -> Answer:
        """The answer that a text means.

        Raises:
            LocalError: none; the message names the nearest class.
        """
        text = text.strip()
        if text in self._classes:
            return Answer(text)
        word = text.removeprefix(":").casefold()
        command = _COMMANDS.get(word, word if word in _COMMANDS.values() else None)
        if command is not None:
            return Answer(None) if command == "none" else Answer(None, command)  # type: ignore[arg-type]
        if text.casefold() in self._folded:
            return Answer(self._folded[text.casefold()])
        if self._numbered and text.isdecimal() and 1 <= int(text) <= len(self._classes):
            return Answer(self._classes[int(text) - 1])
        near = get_close_matches(text, self._classes, 1, 0.0)
        raise LocalError(f"{text!r} is no class here; did you mean {near[0]!r}?", hint=self.help)

    def _spell(self, key: str) -> str:
        return f":{key}" if key in self._classes else key
