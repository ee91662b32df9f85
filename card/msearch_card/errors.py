"""What can go wrong with a card, and with the data that a card describes. Every message says what to do."""

from __future__ import annotations

from collections.abc import Sequence


class DocumentError(ValueError):
    """A document does not follow its schema. `fields` holds (path, problem) pairs; a path reads like `input.mean[1]`.

    A problem with the document as a whole (it is not YAML, say) has the path "". At most 50 problems are listed.
    """

    def __init__(self, message: str, fields: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.fields = tuple(fields)


class CardError(DocumentError):
    """The card does not follow the schema."""


class TooLargeToCarry(CardError):
    """A file that the card names is too large to travel with it."""


class InputError(ValueError):
    """The data, or a file beside the card, does not allow the model's input tensors to be made."""


class OutputError(ValueError):
    """The model's output tensors are not what the card says."""


class Problems(ValueError):
    """Raised inside a validator: several problems, each with its path below the model that is being validated."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path}: {problem}" for path, problem in problems))
        self.problems = tuple(problems)
