"""The client's suggestion of an ensemble: which models cover a target together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from msearch_accuracy import AccuracyError, Coreset, TargetEvidence
from msearch_accuracy.ensembles import choose_cover, closeness, route_rows
from msearch_client._artifacts import OnProgress
from msearch_client._catalogue import Filter, Modality
from msearch_client._datasets import DatasetCalls
from msearch_client._ensembles import Ensemble, EnsembleMember
from msearch_client._errors import LocalError, NotFoundError
from msearch_client._local_data import explain_sketch_errors, open_data, without_labels
from msearch_client._rankings import Candidate
from msearch_client._searching import OrderBy, SearchCalls
from msearch_sketch import Points, Signature, project
from msearch_sketch.spaces import TICKS_PER_UNIT

WORTH = 0.05
"""What members must add to the best single source to be called worth it."""


class EnsembleCalls(SearchCalls, DatasetCalls):
    """Which models together, where no single one covers the target."""

    def suggest_ensemble(
        self,
        target: Any,
        *,
        members: int = 3,
        candidates: int = 50,
        filter: Filter | None = None,
        order_by: OrderBy = (),
        modality: Modality | str | None = None,
        column: str | None = None,
        ignore: Collection[str] = (),
        limit_rows: int | None = None,
        progress: OnProgress | None = None,
    ) -> Ensemble:
        """Takes, up to `members` times, the source that covers most of what is not covered yet.

        It reaches at least 1 - 1/e of what the best so many sources cover. Only candidates that share a class with the
        best one take part. Whether more coverage means more accuracy is another matter: docs/ensembles.md says how
        often it did.

        Args:
            target: what `sketch` takes, or a signature.
            members: how many models at most.
            candidates: how many of the best candidates' sources to compare.
            filter: which models may take part.
            order_by: how the candidates are chosen; empty for the service's default.
            modality: how to read the data; detected if None.
            column: column with the data, where several would do.
            ignore: columns to leave out.
            limit_rows: take at most this many rows, the first ones.
            progress: called with (rows read, rows in all or None).

        Raises:
            LocalError: the data cannot be read, or no candidate's source can be compared.
            NotFoundError: no source with the target's schema was ever registered.
        """
        if members < 1 or candidates < 1:
            raise LocalError("an ensemble needs at least one member and one candidate")
        points: Points | None = None
        if isinstance(target, Signature):
            signature = target
        else:
            opened = without_labels(
                open_data(
                    target, modality=modality, column=column, ignore=ignore, limit_rows=limit_rows, progress=progress
                )
            )
            space = self._find_space(opened, source=False)
            signature = self._sketch_opened(opened, space, source=False)
            with explain_sketch_errors():
                points = project(opened, space)
        ranking = self.search(signature, filter=filter, order_by=order_by, top=candidates)
        alike, notices = _same_labels(ranking.candidates)
        found = self._coresets(alike, signature.space_digest)
        if not found:
            raise LocalError("no candidate has a source that could cover the target")
        sources = [coreset for coreset, _ in found]
        try:
            evidence = TargetEvidence.of(signature)
            cells = (evidence.ticks / np.float32(TICKS_PER_UNIT)).astype(np.float32)
            cover = choose_cover(closeness(cells, sources), signature.centroid_weights, members)
        except AccuracyError as error:
            raise LocalError(str(error)) from None
        if cover.covered - cover.best_alone < WORTH:
            notices.append(
                f"one model covers nearly as much as all ({cover.best_alone:.3f} of {cover.covered:.3f}): "
                "prefer it unless you can test both"
            )
        chosen = [found[member.place] for member in cover.members]
        routes: Sequence[int] = ()
        if points is not None:
            rows = (points.ticks / np.float32(TICKS_PER_UNIT)).astype(np.float32)
            routes = route_rows(rows, [coreset for coreset, _ in chosen]).tolist()
        return Ensemble(
            members=tuple(
                _member(models, member.alone, member.adds, member.routed)
                for member, (_, models) in zip(cover.members, chosen, strict=True)
            ),
            covered=cover.covered,
            best_alone=cover.best_alone,
            considered=len(found),
            target_rows=signature.row_count,
            routes=tuple(routes),
            notices=tuple(notices),
        )

    def _coresets(self, candidates: Sequence[Candidate], space: str) -> list[tuple[Coreset, list[Candidate]]]:
        """Each source that has centroids in the space, with its models, the most accurate first."""
        by_source: dict[str, list[Candidate]] = {}
        for candidate in candidates:
            by_source.setdefault(candidate.model.dataset_id, []).append(candidate)
        found = []
        for dataset_id, models in by_source.items():
            try:
                signatures = self.dataset_signatures(dataset_id)
            except NotFoundError:  # deleted since the search
                continue
            for signature in signatures:
                coreset = Coreset.of(dataset_id, signature) if signature.space_digest == space else None
                if coreset is not None:
                    found.append((coreset, sorted(models, key=_best_first)))
                    break
        return found


def _best_first(candidate: Candidate) -> tuple[float, int]:
    """By accuracy, 0 where nobody says it, then by rank."""
    return -(candidate.model.known_accuracy or 0.0), candidate.rank


def _same_labels(candidates: Sequence[Candidate]) -> tuple[list[Candidate], list[str]]:
    """Those that share a class with the first, and a notice of the others."""
    if not candidates:
        return [], []
    classes = set(candidates[0].model.classes)
    alike = [item for item in candidates if classes & set(item.model.classes) or not classes]
    left_out = len(candidates) - len(alike)
    name = f"{candidates[0].model.name}@{candidates[0].model.version}"
    return alike, [f"{left_out} candidates share no class with {name} and take no part"] if left_out else []


def _member(models: Sequence[Candidate], alone: float, adds: float, routed: float) -> EnsembleMember:
    names = [f"{item.model.name}@{item.model.version}" for item in models]
    return EnsembleMember(
        model=names[0], model_id=models[0].model.id, dataset_name=models[0].dataset_name, alone=alone, adds=adds,
        routed=routed, others=tuple(names[1:]),
    )  # fmt: skip
