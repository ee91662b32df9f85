"""The client's calls about many profiles at once: analyses, and the report."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from msearch_client._analyses import Findings, analyse_profiles, local, make_study
from msearch_client._catalogue import ModelReference
from msearch_client._errors import LocalError
from msearch_client._experiment_calls import ExperimentCalls, ExperimentReference
from msearch_client._job_calls import JobReference
from msearch_client._jobs import Job
from msearch_client._loads import Load, as_load
from msearch_client._profile_calls import ProfileCalls
from msearch_client._profiles import Profile

Jobs = JobReference | Sequence[JobReference]


class AnalysisCalls(ProfileCalls, ExperimentCalls):
    """Analyse what was measured."""

    def analyse(
        self,
        name: str,
        *,
        jobs: Jobs = (),
        experiment: ExperimentReference | None = None,
        model: ModelReference | None = None,
        load: str | Load | None = None,
        host_class: str = "",
        metric: str = "",
        progress: Callable[[int, int | None], object] | None = None,
    ) -> Findings:
        """What an analysis such as "leaderboard" finds in profiles; INVALID ones are shown as such, never averaged in.

        Args:
            name: `msearch-cli analyse` lists them.
            jobs: profiles of these jobs only; none for those of any.
            experiment: the profiles of this experiment only, those that it found measured already included.
            model: profiles of this model only.
            load: profiles under this load only.
            host_class: host classes that begin so only.
            metric: the quantity to look at, where the analysis takes one; empty for its own.
            progress: called with how many profiles are fetched, of how many.

        Raises:
            LocalError: there is no such analysis or quantity, or jobs and an experiment are both given.
            NotFoundError: there is no such job, experiment or model.
        """
        found = self.fetch_profiles(
            jobs=jobs, experiment=experiment, model=model, load=load, host_class=host_class, progress=progress
        )
        return analyse_profiles(name, found, metric=metric)

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        jobs: Jobs = (),
        experiment: ExperimentReference | None = None,
        model: ModelReference | None = None,
        load: str | Load | None = None,
        host_class: str = "",
        title: str = "",
        progress: Callable[[int, int | None], object] | None = None,
    ) -> int:
        """Writes every analysis of profiles into one HTML file that needs nothing else; gives how many profiles it has.

        The arguments are those of `analyse`; `title` is the page's heading, by default the name of the experiment. The
        file opens offline, on a phone as on a screen, light or dark.

        Raises:
            LocalError: there is no profile, jinja2 or matplotlib is missing, or the file cannot be written.
            NotFoundError: there is no such job, experiment or model.
        """
        found = self.fetch_profiles(
            jobs=jobs, experiment=experiment, model=model, load=load, host_class=host_class, progress=progress
        )
        if not found:
            raise LocalError(
                "there is no profile to report on",
                hint="measure a model with `msearch-cli profile MODEL`, or ask for fewer conditions",
            )
        if experiment is not None and not title:
            title = self.get_experiment(experiment).name
        write_report(path, found, title=title)
        return len(found)

    def fetch_profiles(
        self,
        *,
        jobs: Jobs = (),
        experiment: ExperimentReference | None = None,
        model: ModelReference | None = None,
        load: str | Load | None = None,
        host_class: str = "",
        progress: Callable[[int, int | None], object] | None = None,
    ) -> tuple[Profile, ...]:
        """Profiles whole, with histograms and runs, INVALID ones too; the arguments are those of `analyse`.

        Raises:
            LocalError: the load is not of its form, or jobs and an experiment are both given.
            NotFoundError: there is no such job, experiment or model.
        """
        wanted: list[JobReference | None] = [jobs] if isinstance(jobs, (str, Job)) else [*jobs] or [None]
        if experiment is not None and wanted != [None]:
            raise LocalError("jobs and an experiment exclude each other", hint="an experiment stands for its jobs")
        kept = None
        if experiment is not None:
            found = [cell.profile for cell in self.list_cells(experiment) if cell.profile is not None]
            kept = {profile.id for profile in found}
            if model is None:
                # Its cells tell all that is asked about, so that not every profile of the service is looked at.
                text = str(as_load(load)) if load else ""
                fits = [
                    one.id for one in found if text in ("", one.load_text) and one.host_class.startswith(host_class)
                ]
                return self.get_profiles(list(dict.fromkeys(fits)), progress=progress)
        listed: list[str] = []
        for job in wanted:
            if job is not None:
                self.get_job(job)
            page = self.list_profiles(job=job, model=model, load=load, host_class=host_class, include_invalid=True)
            listed += [profile.id for profile in page if kept is None or profile.id in kept]
        return self.get_profiles(listed, progress=progress)


def write_report(path: str | os.PathLike[str], profiles: Iterable[Profile], *, title: str = "") -> None:
    """Writes the report on profiles that are at hand.

    Raises:
        LocalError: jinja2 or matplotlib is missing, or the file cannot be written.
    """
    from msearch_analysis.page import make_page  # noqa: PLC0415 - slow to import
    from msearch_analysis.tables import write_file  # noqa: PLC0415

    study = make_study(profiles)
    page = local(lambda: make_page(study, title=title))
    local(lambda: write_file(Path(path), page.encode("utf-8")))
