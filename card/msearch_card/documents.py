"""Reads YAML and JSON documents strictly: a key that stands twice is an error, and plain scalars mean what they look
like.

The YAML scalars are those of the YAML 1.2 core schema. PyYAML's own rules are those of YAML 1.1, by which `no` is
false, `12:30` is 750, `010` is 8 and `2026-03-01` is a date: each would silently change a class name or a version.
"""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from msearch_card.errors import DocumentError

_LONGEST_BRACED_YAML = 1 << 16
_KNOWN_TAGS = ("null", "bool", "int", "float", "str", "seq", "map")


def read_document(text: str) -> dict[str, Any]:
    """The mapping that a YAML or JSON text holds.

    Raises:
        DocumentError: the text is neither, holds no mapping, or a key stands twice. The message is to be put after the
            name of the document.
    """
    try:
        value = _read_json(text) if text.lstrip().startswith("{") else _read_yaml(text)
    except RecursionError:
        raise _malformed("is nested too deeply") from None
    if not isinstance(value, dict):
        raise _malformed("must be a mapping of field names to values")
    for key in value:
        if not isinstance(key, str):
            raise _malformed(f"has the key {key!r}, which is not a string")
    return value


def _malformed(problem: str) -> DocumentError:
    return DocumentError(problem, [("", problem)])


def _twice(key: object, where: str = "") -> DocumentError:
    return DocumentError(f"holds the key {key!r} twice{where}", [(str(key), f"stands twice{where}")])


def _read_json(text: str) -> Any:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key, value in items:
            if key in mapping:
                raise _twice(key)
            mapping[key] = value
        return mapping

    try:
        return json.loads(text, object_pairs_hook=pairs)
    except ValueError as error:
        if isinstance(error, DocumentError):
            raise
        # A YAML document may begin with a brace as well; a long one is JSON, and PyYAML would take long to say no.
        if len(text) > _LONGEST_BRACED_YAML:
            raise _malformed(f"is not valid JSON: {error}") from None
        try:
            return _read_yaml(text)
        except DocumentError:
            raise _malformed(f"is not valid JSON: {error}") from None


def _read_yaml(text: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = "" if mark is None else f" (line {mark.line + 1}, column {mark.column + 1})"
        raise _malformed(f"is not valid YAML: {error.problem or error.context}{where}") from None
    except DocumentError:
        raise
    except (yaml.YAMLError, ValueError, LookupError) as error:
        # A value that contradicts its explicit tag, as in `!!bool maybe`, is a ValueError or LookupError.
        raise _malformed(f"is not valid YAML: {error}") from None


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as in PyYAML
    yaml_constructors = {  # noqa: RUF012
        tag: constructor
        for tag, constructor in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.removeprefix("tag:yaml.org,2002:") in _KNOWN_TAGS
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise _twice(key.value, f" (line {key.start_mark.line + 1})")
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _add_scalar(tag: str, pattern: str, first: str) -> None:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"^(?:{pattern})$"), list(first))


_add_scalar("null", r"~|null|Null|NULL|", "~nN")
_Loader.yaml_implicit_resolvers[""] = [_Loader.yaml_implicit_resolvers["~"][0]]
_add_scalar("bool", r"true|True|TRUE|false|False|FALSE", "tTfF")
# A number with a leading zero stays text, so that the class 007 keeps its name.
_add_scalar("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789")
_add_scalar(
    "float",
    r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
    "-+.0123456789",
)
_add_scalar("merge", r"<<", "<")
