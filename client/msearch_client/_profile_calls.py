"""The client's calls about profiles: measure, read, compare."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Literal, overload

from msearch_client._catalogue import ModelReference
from msearch_client._comparison import Comparison, choose_metric, compare_profiles
from msearch_client._errors import JobFailedError, LocalError, NotFoundError
from msearch_client._job_calls import PAGE_SIZE, JobCalls, JobReference, Loads, Variants, job_id_of
from msearch_client._jobs import Job, JobState, RunLimits
from msearch_client._listing import Listing, Page
from msearch_client._loads import Load, as_load
from msearch_client._profiles import Profile, Profiles
from msearch_client._references import with_model
from msearch_client._variants import Variant
from msearch_client._wire import profiles as wire
from msearch_client._wire.requests import ModelReference as ModelMessage

# "MODEL:VARIANT:LOAD"; a device such as cuda:0 holds a colon, and so do most loads.
_TRIPLE = re.compile(
    r"(?P<model>[^:]+):(?P<variant>.+):(?P<load>(?:single_stream|offline|(?:multi_stream|concurrency|server|find_peak):).*)"
)


# Further back, the host was another one.
MOST_EARLIER = 50

FETCHED_AT_ONCE = 50
"""As many as the service gives in one answer."""


class ProfileCalls(JobCalls):
    """Measure models and read what was measured."""

    @overload
    def profile(
        self,
        model: ModelReference | None = None,
        *,
        variants: Variants = ...,
        loads: Loads = ...,
        limits: RunLimits | None = ...,
        host_class: str = ...,
        labels: Mapping[str, str] | None = ...,
        remote_target: str = ...,
        allow_waiting: bool = ...,
        wait: Literal[True] = ...,
        progress: Callable[[Job], object] | None = ...,
    ) -> Profiles: ...

    @overload
    def profile(
        self,
        model: ModelReference | None = None,
        *,
        variants: Variants = ...,
        loads: Loads = ...,
        limits: RunLimits | None = ...,
        host_class: str = ...,
        labels: Mapping[str, str] | None = ...,
        remote_target: str = ...,
        allow_waiting: bool = ...,
        wait: Literal[False],
        progress: Callable[[Job], object] | None = ...,
    ) -> Job: ...

    def profile(
        self,
        model: ModelReference | None = None,
        *,
        variants: Variants = (),
        loads: Loads = "single_stream",
        limits: RunLimits | None = None,
        host_class: str = "",
        labels: Mapping[str, str] | None = None,
        remote_target: str = "",
        allow_waiting: bool = False,
        wait: bool = True,
        progress: Callable[[Job], object] | None = None,
    ) -> Profiles | Job:
        """Measures every variant of a model under every load, and returns the profiles once an agent made them.

        The arguments are those of `submit_job`; `client.profile("digits", variants=["onnxruntime fp32", "onnxruntime
        int8_dynamic"], loads="server:100")`. With `wait=False` the job is returned at once. `progress` is called with
        the job whenever it changes.

        Raises:
            JobFailedError: the job failed or was cancelled.
            PreconditionFailedError: no registered agent could take it (reason NO_CAPABLE_AGENT).
            LocalError, NotFoundError, InvalidArgumentError: as `submit_job`.
        """
        job = self.submit_job(
            model, variants=variants, loads=loads, limits=limits, host_class=host_class, labels=labels,
            remote_target=remote_target, allow_waiting=allow_waiting,
        )  # fmt: skip
        return self.profiles_of(job, progress=progress) if wait else job

    def profiles_of(self, job: JobReference, *, progress: Callable[[Job], object] | None = None) -> Profiles:
        """What a job measured, with histograms and runs; waits until it has ended.

        Raises:
            JobFailedError: the job failed or was cancelled.
            NotFoundError: there is no such job.
        """
        ended: Job | None = None
        for ended in self.watch_job(job):
            if progress is not None:
                progress(ended)
        if ended is None or not ended.ended:
            ended = self.get_job(job)
        if ended.state is not JobState.SUCCEEDED:
            raise JobFailedError(ended)
        return Profiles(job=ended, profiles=self.get_profiles(ended.profile_ids))

    def get_profile(self, profile_id: str) -> Profile:
        """One profile with histogram and runs.

        Raises:
            NotFoundError: there is no such profile.
        """
        answer = self._transport.call(self._transport.profiling.GetProfile, wire.get_profile(profile_id))
        return wire.profile_from_proto(answer.profile)

    def get_profiles(
        self, profile_ids: Sequence[str], *, progress: Callable[[int, int | None], object] | None = None
    ) -> tuple[Profile, ...]:
        """Those of the profiles that are there, with histograms and runs, in the order given; many in one call.

        `progress` is called with how many were asked for, of how many.
        """
        found: list[Profile] = []
        for start in range(0, len(profile_ids), FETCHED_AT_ONCE):
            asked = profile_ids[start : start + FETCHED_AT_ONCE]
            answer = self._transport.call(self._transport.profiling.GetProfiles, wire.get_profiles(asked))
            found += [wire.profile_from_proto(item) for item in answer.profiles]
            if progress is not None:
                progress(start + len(asked), len(profile_ids))
        return tuple(found)

    def list_profiles(
        self,
        *,
        model: ModelReference | None = None,
        backend: str = "",
        host_class: str = "",
        load: str | Load | None = None,
        include_invalid: bool = False,
        job: JobReference | None = None,
        page_size: int = PAGE_SIZE,
    ) -> Listing[Profile]:
        """Profiles, newest first, without histograms and runs. Pages are fetched while iterating.

        Conditions that are None or empty keep any; `host_class` keeps classes that begin so.

        Raises:
            LocalError: the load is not of its form.
            NotFoundError: there is no such model.
        """
        load_text = str(as_load(load)) if load else ""
        job_id = "" if job is None else job_id_of(job)

        def fetch(token: str) -> Page[Profile]:
            def call(reference: ModelMessage | None) -> Page[Profile]:
                request = wire.list_profiles(
                    reference, backend=backend, host_class=host_class, load_text=load_text,
                    include_invalid=include_invalid, job_id=job_id, page_size=page_size, page_token=token,
                )  # fmt: skip
                answer = self._transport.call(self._transport.profiling.ListProfiles, request)
                found = tuple(wire.profile_from_proto(item) for item in answer.profiles)
                return Page(found, answer.next_page_token, answer.total_size)

            return call(None) if model is None else with_model(model, call)

        return Listing(fetch)

    def compare(
        self,
        first: str | Profile,
        second: str | Profile,
        *,
        metric: str = "",
        min_effect: float = 0.02,
        host_class: str = "",
    ) -> Comparison:
        """Whether the second profile is better than the first, worse, or the same, or whether that cannot be told.

        Args:
            first: a profile, its id, or "MODEL:VARIANT:LOAD" for the newest valid one of these, as in
                "digits:onnxruntime fp32:server:100".
            second: the same.
            metric: the quantity to compare; empty takes p50_ms, throughput_per_s for offline, and peak_rate_per_s for
                find_peak.
            min_effect: differences below this share do not matter.
            host_class: with "MODEL:VARIANT:LOAD", only host classes that begin so.

        Raises:
            LocalError: a profile is INVALID, the two are of different host classes, or the quantity was not measured.
            NotFoundError: there is no such profile.
        """
        old, new = (self._find_profile(item, host_class) for item in (first, second))
        chosen = choose_metric(old, metric)
        earlier = [self._earlier(profile, chosen, but={old.id, new.id}) for profile in (old, new)]
        return compare_profiles(old, new, metric=chosen, min_effect=min_effect, earlier=earlier)

    def _earlier(self, profile: Profile, metric: str, *, but: set[str]) -> list[float]:
        """What was measured of the same thing at other times on this host class, in order of time."""
        if not profile.model_name or profile.load.trace_s:
            return []
        listed = self.list_profiles(
            model=profile.model_name, backend=profile.variant.backend, load=profile.load_text,
            host_class=profile.host_class,
        )  # fmt: skip
        newest = [item for item in islice(listed, MOST_EARLIER) if item.variant == profile.variant]
        values = [item.value(metric) for item in reversed(newest) if item.id not in but]
        return [value for value in values if value is not None]

    def _find_profile(self, reference: str | Profile, host_class: str) -> Profile:
        if isinstance(reference, Profile):
            return reference if reference.runs else self.get_profile(reference.id)
        triple = _TRIPLE.fullmatch(reference)
        if triple is None:
            if ":" in reference:
                raise LocalError(
                    f"{reference!r} is neither the id of a profile nor of the form MODEL:VARIANT:LOAD",
                    hint='for example "digits:onnxruntime fp32:server:100"',
                )
            return self.get_profile(reference)
        variant = Variant.parse(triple["variant"])
        listed = self.list_profiles(
            model=triple["model"], backend=variant.backend, load=triple["load"], host_class=host_class
        )
        measured = []
        for profile in listed:
            if profile.variant == variant or (not variant.device and _without_device(profile.variant) == variant):
                return self.get_profile(profile.id)
            measured.append(str(profile.variant))
        others = ", ".join(dict.fromkeys(measured)) or "nothing"
        raise NotFoundError(
            f"no valid profile of {triple['model']} as {variant} under {triple['load']}; measured there: {others}",
            reason="PROFILE_NOT_FOUND",
            hint="measure it with `msearch-cli profile`; `msearch-cli profiles list --all` shows INVALID ones too",
        )


def _without_device(variant: Variant) -> Variant:
    """The variant wherever its backend ran it: what a job leaves open, an agent fills in."""
    return Variant(
        backend=variant.backend, precision=variant.precision, batch_size=variant.batch_size,
        threads=variant.threads, mode=variant.mode,
    )  # fmt: skip
