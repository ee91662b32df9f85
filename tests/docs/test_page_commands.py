"""The command lines on the pages are understood by the programs, and the commands and options they name exist."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

import profiler_agent.__main__ as agent_program
import search_service.__main__ as service_program
from msearch_client.cli import app
from tests.docs.blocks import WRITTEN_PAGES, command_lines, prose

PROGRAMS: dict[str, typer.Typer] = {
    "msearch-cli": app,
    "msearch-agent": agent_program.app,
    "msearch-service": service_program.app,
}
PASSED_ON = {("msearch-cli", "agent"): ("msearch-agent", "run"), ("msearch-cli", "serve"): ("msearch-service", "serve")}

every_written_page = pytest.mark.parametrize("page", WRITTEN_PAGES, ids=lambda page: page.name)


def test_the_pages_have_command_lines() -> None:
    counts = {program: sum(len(command_lines(page, program)) for page in WRITTEN_PAGES) for program in PROGRAMS}
    assert counts["msearch-cli"] > 90
    assert min(counts.values()) > 2


@every_written_page
def test_command_lines_parse(page: Path) -> None:
    """By the real parser, with all that it requires and converts; nothing is run."""
    for line in itertools.chain.from_iterable(command_lines(page, program) for program in PROGRAMS):
        program, *words = shlex.split(line)
        found = find_command(program, words)
        try:
            found.command.make_context(found.path, found.rest, parent=found.context.parent)
        except typer.TyperException as error:
            pytest.fail(f"{line}: {error}")


@every_written_page
def test_commands_named_in_a_sentence_exist(page: Path) -> None:
    for program, words in re.findall(rf"`({'|'.join(PROGRAMS)}) ([^`]+)`", prose(page)):
        found = find_command(program, shlex.split(words.replace("...", "")))
        assert options_in(words) <= found.options, words


@every_written_page
def test_options_named_in_a_sentence_exist(page: Path) -> None:
    """Each is an option of some command of ours."""
    named = {option for mark in re.findall(r"`(--[^`]+)`", prose(page)) for option in options_in(mark)}
    assert named <= all_options()


@dataclasses.dataclass(frozen=True)
class Found:
    """A command of a program, where it is in it, and the words after it."""

    path: str
    command: Any
    context: Any
    rest: list[str]

    @property
    def options(self) -> set[str]:
        return {
            name
            for parameter in self.command.get_params(self.context)
            for name in (*parameter.opts, *parameter.secondary_opts)
        }


@functools.cache
def read_program(name: str) -> Any:
    return typer.main.get_command(PROGRAMS[name])


def find_command(program: str, words: list[str]) -> Found:
    """The command, or group of commands, that the first words name."""
    if program == "msearch-agent" and (not words or words[0].startswith("-")):
        words = ["run", *words]  # as the program itself does
    command = read_program(program)
    found = Found(program, command, command.make_context(program, [], resilient_parsing=True), words)
    while found.rest and hasattr(found.command, "commands"):
        name, *rest = found.rest
        if (program, name) in PASSED_ON:
            other, first = PASSED_ON[program, name]
            return find_command(other, [first, *rest])
        assert name in found.command.commands, f"{found.path} has no command {name}"
        path, command = f"{found.path} {name}", found.command.commands[name]
        context = command.make_context(path, [], parent=found.context, resilient_parsing=True)
        found = Found(path, command, context, rest)
    return found


def options_in(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", text))


@functools.cache
def all_options() -> set[str]:
    def below(found: Found) -> set[str]:
        commands = getattr(found.command, "commands", {})
        inner = [below(find_command(found.path.split()[0], [*found.path.split()[1:], name])) for name in commands]
        return found.options.union(*inner)

    return set().union(*(below(find_command(program, [])) for program in PROGRAMS))
