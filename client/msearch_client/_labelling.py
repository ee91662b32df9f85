"""A session that labels a few rows of a target to find the best of several candidates."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from msearch_accuracy import NO_CLASS as NOBODYS
from msearch_accuracy import AccuracyError, CandidateEvidence, Labelling, Metric, Predictor, TargetEvidence
from msearch_client._errors import LocalError
from msearch_client._label_files import (
    ASKED,
    NO_CLASS,
    SKIPPED,
    LabelEntry,
    check_format,
    read_label_file,
    write_label_file,
)
from msearch_client._labelled import LabelStanding, LabelVerdict
from msearch_client._rankings import FailedModel
from msearch_client._row_previews import preview


class LabellingSession:
    """Asks for rows, takes their classes, says who leads; `Client.start_labelling` makes one.

    Rows are numbered as in the target, from 0. With a file, every answer is saved at once, and a new session with the
    same file goes on from there.

        with Client() as client:
            session = client.start_labelling("target.parquet", labels_file="labels.csv")
            while session.verdict().winner is None:
                (row,) = session.next_rows()
                session.label(row, input(f"{session.rows.slice(row, 1).to_pylist()}: "))
    """

    def __init__(
        self,
        rows: pa.Table,
        candidates: Sequence[CandidateEvidence],
        names: Mapping[str, str],
        *,
        kept: NDArray[np.bool_] | None = None,
        target: TargetEvidence | None = None,
        predictor: Predictor | None = None,
        f1: str = "",
        confidence: float = 0.95,
        tolerance: float = 0.01,
        labels_file: str | os.PathLike[str] | None = None,
        failed: Sequence[FailedModel] = (),
        notices: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        """From candidates with outputs on the `kept` rows of a table (all of them if None); `names` by candidate.

        With the points of the kept rows and a predictor it begins with what that foretells. `failed` and `notices` are
        told with each verdict.

        Raises:
            LocalError: fewer than two candidates can be compared, a setting is out of range, or the file cannot be
                used.
        """
        numbers = np.arange(rows.num_rows) if kept is None else np.flatnonzero(kept)
        try:
            self._labelling = Labelling.of(
                candidates,
                Metric("f1", f1) if f1 else Metric(),
                target=target,
                predictor=predictor,
                confidence=confidence,
                tolerance=tolerance,
                seed=seed,
            )
        except AccuracyError as error:
            raise LocalError(str(error)) from None
        self.rows = rows
        self._names = dict(names)
        self._numbers = numbers
        self._places = {int(number): place for place, number in enumerate(numbers)}
        refused = self._labelling.problem.refused
        self._failed = (
            *failed,
            *(
                FailedModel(model=self._names.get(name, name), model_id=name, code="not_comparable", message=reason)
                for name, reason in refused.items()
            ),
        )
        self._notices = tuple(notices)
        self._entries: dict[int, LabelEntry] = {}
        self._answered: list[int] = []
        self._path = None if labels_file is None else Path(labels_file)
        if self._path is not None:
            check_format(self._path)
            if self._path.exists():
                self._take(self._path, read_label_file(self._path))

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that candidates know, sorted."""
        return self._labelling.classes

    @property
    def labels(self) -> dict[int, str | None]:
        """The class of each labelled row; None where no candidate knows it."""
        return {
            int(self._numbers[place]): None if name == NOBODYS else name
            for place, name in sorted(self._labelling.labels.items())
        }

    @property
    def waiting(self) -> tuple[int, ...]:
        """Rows that were asked for and have no answer yet."""
        answered = {*self.labels, *self.skipped}
        return tuple(row for row, entry in self._entries.items() if entry.status == ASKED and row not in answered)

    @property
    def skipped(self) -> tuple[int, ...]:
        """Rows that were skipped."""
        return tuple(int(self._numbers[place]) for place in self._labelling.skipped)

    @property
    def unasked(self) -> tuple[int, ...]:
        """Labelled rows that were not asked for; they count too."""
        return tuple(row for row in self.labels if not self._entries[row].status)

    def next_rows(self, count: int = 1) -> list[int]:
        """The rows to label next, the most telling first; those that still wait for an answer come before.

        Fewer than `count` where no others tell the candidates apart. They are noted in the file as asked for.
        """
        waiting = list(self.waiting)[:count]
        fresh = []
        if len(waiting) < count:
            chosen = self._labelling.next_rows(count)
            fresh = [int(self._numbers[place]) for place in chosen if int(self._numbers[place]) not in waiting]
            fresh = fresh[: count - len(waiting)]
            for row in fresh:
                entry = self._entries.setdefault(row, LabelEntry(row))
                entry.status, entry.preview = ASKED, preview(self.rows, row)
            if fresh:
                self._save()
        return [*waiting, *fresh]

    def label(self, row: int, name: str | None) -> None:
        """Takes the class of a row, or corrects it; None says that no candidate knows its class.

        Raises:
            LocalError: there is no such row, it could not be read by every candidate, or no candidate knows the class.
        """
        self._set(row, name, f"row {row}")
        entry = self._answer(row)
        entry.label = name
        if name is None:
            entry.status = NO_CLASS
        elif entry.status:  # a row that nobody asked for stays known as such
            entry.status = ASKED
        self._save()

    def skip(self, row: int) -> None:
        """Never asks for this row again.

        Raises:
            LocalError: there is no such row, or it could not be read by every candidate.
        """
        self._labelling.skip(self._place(row))
        entry = self._answer(row)
        entry.label, entry.status = None, SKIPPED
        self._save()

    def undo(self) -> int | None:
        """Takes back the last answer of this session; gives its row, which is asked for again, or None."""
        if not self._answered:
            return None
        row = self._answered.pop()
        self._labelling.forget(self._place(row))
        self._entries[row].label, self._entries[row].status = None, ASKED
        self._save()
        return row

    def verdict(self) -> LabelVerdict:
        """Who leads, and whether that is sure enough to stop."""
        found = self._labelling.verdict()
        unasked = self.unasked
        notices = list(self._notices)
        if unasked:
            shown = ", ".join(str(row) for row in unasked[:5]) + (", ..." if len(unasked) > 5 else "")
            notices.append(f"{len(unasked)} labelled rows were not asked for ({shown}); they count all the same")
        return LabelVerdict(
            leader=self._names[found.leader],
            winner=None if found.winner is None else self._names[found.winner],
            confidence=found.confidence,
            wanted=self._labelling.confidence,
            tolerance=found.tolerance,
            labels=found.labels,
            exhausted=found.exhausted,
            standings=tuple(
                LabelStanding(
                    model=self._names[s.name], model_id=s.name, accuracy=s.accuracy, low=s.low, high=s.high,
                    best=s.best, within=s.within, right=s.right, labelled=s.labelled,
                )
                for s in found.standings
            ),
            failed=self._failed,
            notices=tuple(notices),
        )  # fmt: skip

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes labels, skipped rows and rows that wait for an answer to a file, and all later answers too.

        Raises:
            LocalError: it cannot be written, or its ending is not .csv, .json or .parquet.
        """
        self._path = Path(path)
        self._save()

    def _take(self, path: Path, entries: Sequence[LabelEntry]) -> None:
        for entry in entries:
            if entry.label is not None or entry.status == NO_CLASS:
                self._set(entry.row, entry.label, f"{path}: row {entry.row}")
                if entry.status == SKIPPED:
                    entry.status = ASKED
            elif entry.status == SKIPPED:
                self._labelling.skip(self._place(entry.row, f"{path}: "))
            else:
                self._place(entry.row, f"{path}: ")
            self._entries[entry.row] = entry

    def _set(self, row: int, name: str | None, where: str) -> None:
        place = self._place(row)
        if name is not None and name not in self.classes:
            near = get_close_matches(name, self.classes, 1, 0.0)
            raise LocalError(
                f"{where}: no candidate knows the class {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
                hint=f"they know {', '.join(self.classes[:20])}{', ...' if len(self.classes) > 20 else ''}",
            )
        self._labelling.label(place, NOBODYS if name is None else name)

    def _answer(self, row: int) -> LabelEntry:
        entry = self._entries.setdefault(row, LabelEntry(row))
        entry.preview = entry.preview or preview(self.rows, row)
        self._answered = [*(other for other in self._answered if other != row), row]
        return entry

    def _place(self, row: int, where: str = "") -> int:
        place = self._places.get(row)
        if place is None and 0 <= row < self.rows.num_rows:
            raise LocalError(f"{where}row {row} could not be read by every candidate, so its label tells nothing")
        if place is None:
            raise LocalError(f"{where}there is no row {row}: the target has rows 0 to {self.rows.num_rows - 1}")
        return place

    def _save(self) -> None:
        if self._path is not None:
            write_label_file(self._path, list(self._entries.values()))

    def __repr__(self) -> str:
        return f"LabellingSession({len(self.labels)} labels, {len(self._names)} candidates)"
