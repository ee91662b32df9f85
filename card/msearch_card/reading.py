"""Reads a document by the pydantic model that describes it, and says of every wrong field what is wrong with it.

The model card is one such document; benchmark files are another.
"""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from msearch_card.documents import read_document
from msearch_card.errors import DocumentError, Problems

LARGEST_DOCUMENT_BYTES = 2 << 20
_MOST_NAMED = 5  # problems in a message
_MOST_FIELDS = 50  # problems in `fields`; a service sends them in a header of a few kilobytes
_LONGEST_KEY = 80
_WORDS = {"Input should": "must", "a valid tuple": "a list", "a valid integer": "an integer", "a valid ": "a "}

Described = TypeVar("Described", bound=BaseModel)


class DocumentReader(Generic[Described]):
    """Reads the documents that a model describes. `subject` is how messages call them, as in "the model card".

    Parts of the model that are unions must be told apart by a field `kind` or `type`.
    """

    def __init__(self, model: type[Described], subject: str) -> None:
        self._model = model
        self._subject = subject
        self._parts: dict[tuple[str, str], type[BaseModel]] = {("", ""): model} | {
            (path, tag): part for path, part, tag in _parts(model)
        }
        self._tagged = frozenset(path for path, tag in self._parts if tag)

    def parse(self, text_or_mapping: str | bytes | Mapping[str, Any]) -> Described:
        """What a YAML or JSON text, or a mapping, describes.

        Raises:
            DocumentError: the text is neither, a key stands twice, or a field is wrong; `fields` names each.
        """
        try:
            raw = text_or_mapping if isinstance(text_or_mapping, Mapping) else _read(text_or_mapping)
            return self._model.model_validate(dict(raw))
        except ValidationError as error:
            raise self._refusal(error) from None
        except RecursionError:
            problem = "is nested too deeply"
            raise DocumentError(f"{self._subject} {problem}", [("", problem)]) from None
        except DocumentError as error:
            raise DocumentError(f"{self._subject} {error.message}", error.fields) from None

    def read(self, path: Path) -> bytes:
        """The bytes of a file, as far as they can be a document.

        Raises:
            DocumentError: the file cannot be read; the message begins with the path.
        """
        try:
            with path.open("rb") as stream:
                return stream.read(LARGEST_DOCUMENT_BYTES + 1)
        except OSError as error:
            problem = error.strerror or str(error)
            raise DocumentError(f"{path}: cannot read {self._subject}: {problem}", [("", problem)]) from None

    def _refusal(self, error: ValidationError) -> DocumentError:
        found = (field for detail in error.errors(include_url=False) for field in self._problems(detail))
        fields = list(dict.fromkeys(found))
        listed = "; ".join(f"{path}: {problem}" if path else problem for path, problem in fields[:_MOST_NAMED])
        more = f"; and {len(fields) - _MOST_NAMED} more" if len(fields) > _MOST_NAMED else ""
        return DocumentError(f"{self._subject} is invalid: {listed}{more}", fields[:_MOST_FIELDS])

    def _problems(self, detail: ErrorDetails) -> Iterator[tuple[str, str]]:
        kind, location, context = detail["type"], detail["loc"], detail.get("ctx", {})
        path = self._path(location)
        match kind:
            case "default_factory_not_called":
                return  # follows from another problem, which is named itself
            case "too_short" if len(detail["input"]) >= context["min_length"]:
                return  # its items are wrong, which are named themselves
            case "value_error" if isinstance(context["error"], Problems):
                for below, problem in context["error"].problems:
                    yield (f"{path}.{below}" if path else below), problem
            case "value_error":
                yield path, str(context["error"])
            case "missing":
                yield path, "is required"
            case "extra_forbidden":
                yield path, self._unknown_key(location)
            case "union_tag_not_found":
                key = str(context["discriminator"]).strip("'")
                yield f"{path}.{key}", "is required"
            case "union_tag_invalid":
                key = str(context["discriminator"]).strip("'")
                yield f"{path}.{key}", f"must be one of {context['expected_tags']}, not {context['tag']!r}"
            case "model_type" | "model_attributes_type":
                yield path, f"must be a mapping, not {_shown(detail['input'])}"
            case "literal_error":
                yield path, f"must be {context['expected']}, not {_shown(detail['input'])}"
            case "string_type":
                hint = "" if isinstance(detail["input"], (dict, list, tuple, type(None))) else "; put it in quotes"
                yield path, f"must be a string, not {_shown(detail['input'])}{hint}"
            case "string_pattern_mismatch":
                yield path, f"must match {context['pattern']}, not {_shown(detail['input'])}"
            case _:
                yield path, f"{_in_plain_words(detail['msg'])}, not {_shown(detail['input'])}"

    def _path(self, location: tuple[str | int, ...]) -> str:
        """`("input", "image", "mean", 1)` becomes `input.mean[1]`: the tag that pydantic adds is no key."""
        path = ""
        skip = False
        for step in location:
            if skip:
                skip = False
            elif isinstance(step, int):
                path += f"[{step}]"
            else:
                path += ("." if path else "") + step[:_LONGEST_KEY]
                skip = path in self._tagged
        return path

    def _unknown_key(self, location: tuple[str | int, ...]) -> str:
        path, tag = "", ""
        steps = [step for step in location[:-1] if isinstance(step, str)]
        for step in steps:
            if path in self._tagged and not tag:
                tag = step
            else:
                path, tag = (f"{path}.{step}" if path else step), ""
        known = self._parts[path, tag].model_fields
        nearest = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
        if nearest:
            return f"is not a known key; did you mean {nearest[0]!r}?"
        return f"is not a known key; known are {', '.join(known)}"


def _read(text: str | bytes) -> dict[str, Any]:
    if len(text) > LARGEST_DOCUMENT_BYTES:
        problem = f"is larger than {LARGEST_DOCUMENT_BYTES} bytes"
        raise DocumentError(problem, [("", problem)])
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            problem = f"is not UTF-8 text (byte {error.start})"
            raise DocumentError(problem, [("", problem)]) from None
    return read_document(text)


def _in_plain_words(message: str) -> str:
    for theirs, ours in _WORDS.items():
        message = message.replace(theirs, ours)
    return f"{message[0].lower()}{message[1:]}"


def _shown(value: object) -> str:
    text = {True: "true", False: "false", None: "null"}.get(value) if isinstance(value, (bool, type(None))) else None
    if text is None:
        text = (
            "a mapping" if isinstance(value, Mapping) else "a list" if isinstance(value, (list, tuple)) else repr(value)
        )
    return text if len(text) <= 80 else text[:77] + "..."


def _parts(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, type[BaseModel], str]]:
    """Every (path without positions, model, tag) of the document; the tag is "" where there is only one model."""
    for name, field in model.model_fields.items():
        path = f"{prefix}.{name}" if prefix else name
        models = [part for part in _leaves(field.annotation) if isinstance(part, type) and issubclass(part, BaseModel)]
        for part in models:
            tag_field = part.model_fields.get("kind") or part.model_fields.get("type")
            tag = typing.get_args(tag_field.annotation)[0] if tag_field is not None and len(models) > 1 else ""
            yield path, part, tag
            yield from _parts(part, path)


def _leaves(annotation: Any) -> Iterator[Any]:
    arguments = typing.get_args(annotation)
    if not arguments or typing.get_origin(annotation) is typing.Literal:
        yield annotation
    for argument in arguments:
        yield from _leaves(argument)
