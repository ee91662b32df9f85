"""What the service does by itself while it answers calls: threads that repeat, and say what they did."""

from __future__ import annotations

import structlog

from search_service.api.repeating import Repeating
from search_service.domain.errors import DomainError
from search_service.settings import Settings
from search_service.usecases.advance_experiments import advance_experiments
from search_service.usecases.evaluation_samples import sweep_samples
from search_service.usecases.evidence import Evidence
from search_service.usecases.experimenting import Experimenting
from search_service.usecases.follower import Follower
from search_service.usecases.lease_keeping import LeaseKeeper
from search_service.usecases.live_catalogue import LiveCatalogue
from search_service.usecases.once import forget_old_requests
from search_service.usecases.refitting import Refitter, refit_if_worthwhile
from search_service.usecases.retention import Pruned, Retention, prune
from search_service.usecases.revising import Reviser
from search_service.usecases.stranded import StrandedJobs
from search_service.usecases.uploads import drop_unused_blobs

HOUSEKEEPING_INTERVAL_S = 600.0
ABANDONED_UPLOAD_AGE_S = 86_400.0
LONGEST_EXPIRY_INTERVAL_S = 2.0
EXPERIMENT_INTERVAL_S = 1.0

_log = structlog.get_logger()


class Upkeep:
    """Follows the change log, keeps house, leases and experiments, learns. What fails is logged and tried again."""

    def __init__(
        self,
        settings: Settings,
        *,
        catalogue: LiveCatalogue,
        evidence: Evidence,
        experimenting: Experimenting,
        refitter: Refitter,
    ) -> None:
        self._settings = settings
        self._evidence = evidence
        self._experimenting = experimenting
        self._refitter = refitter
        self._leases = LeaseKeeper(evidence.profiling)
        self._reviser = Reviser(evidence.profiling)
        self._stranded = StrandedJobs(evidence.profiling)
        self._retention = Retention.of_days(
            experiments=settings.keep_experiments_days,
            profiles=settings.keep_profiles_days,
            jobs=settings.keep_jobs_days,
        )
        self._follower = Follower(catalogue, _note_failure)
        self._housekeeper = Repeating(
            "msearch-housekeeper", self.keep_house, interval_s=HOUSEKEEPING_INTERVAL_S, failed=_note_failure
        )
        self._experiment_keeper = Repeating(
            "msearch-experiment-keeper",
            lambda: advance_experiments(experimenting),
            interval_s=EXPERIMENT_INTERVAL_S,
            failed=_note_failure,
        )
        self._learner = Repeating(
            "msearch-learner",
            self._learn,
            interval_s=settings.refit_every_s,
            first_after_s=settings.refit_every_s,
            failed=_note_failure,
        )
        self._lease_keeper = Repeating(
            "msearch-lease-keeper",
            self._keep_leases,
            interval_s=min(LONGEST_EXPIRY_INTERVAL_S, settings.lease_s / 2),
            # Agents that went on working while no service ran renew first.
            first_after_s=settings.lease_s,
            failed=_note_failure,
        )

    def start(self) -> None:
        """Begins all of it; the catalogue must be loaded."""
        self._follower.start()
        self._housekeeper.start()
        self._lease_keeper.start()
        if self._settings.refit_every_s:
            self._learner.start()
        self._experiment_keeper.start()

    def stop(self) -> None:
        """Ends the threads, each after what it is doing."""
        self._follower.stop()
        self._experiment_keeper.stop()
        self._lease_keeper.stop()
        self._learner.stop(self._settings.grace_s)  # a fit may take minutes, and stores nothing before its end
        self._housekeeper.stop()

    def keep_house(self) -> None:
        """Clears what killed processes and old requests leave behind, and prunes what is not kept any longer."""
        registry = self._evidence.registry
        forgotten = forget_old_requests(registry)
        expired = sweep_samples(self._evidence)
        swept = registry.blobs.sweep(ABANDONED_UPLOAD_AGE_S)
        dropped = drop_unused_blobs(registry)
        pruned = prune(self._experimenting, self._retention)
        if forgotten or expired or swept or dropped or pruned != Pruned():
            _log.info(
                "house_kept",
                requests_forgotten=forgotten,
                samples_expired=expired,
                uploads_swept=swept,
                blobs_dropped=dropped,
                experiments_pruned=pruned.experiments,
                profiles_pruned=pruned.profiles,
                jobs_pruned=pruned.jobs,
            )

    def _keep_leases(self) -> None:
        """Takes back leases, and keeps in order what waits."""
        counts = {
            "leases_expired": self._leases.take_back(),
            "jobs_placed_again": self._stranded.place_again(),
            "estimates_revised": self._reviser.revise(),
        }
        for event, count in counts.items():
            if count:
                _log.info(event, count=count)

    def _learn(self) -> None:
        done = refit_if_worthwhile(self._refitter)
        if done is not None:
            _log.info("predictor_refitted", version=done.in_use.version, notice=done.notice)


def _note_failure(error: Exception) -> None:
    if isinstance(error, DomainError):
        _log.warning("background_work_failed", reason=error.reason.value, message=error.message)
    else:
        _log.error("background_work_failed", exc_info=error)
