"""Find the model to deploy for data without labels: the client of the msearch search service.

from msearch_client import Client

with Client() as client:
    ranking = client.search("sample.parquet")
    print(ranking.best)
"""

from msearch_analysis.significance import (
    Answer,
)
from msearch_client._agents import (
    Agent,
    AgentState,
    BackendStatus,
)
from msearch_client._analyses import (
    Findings,
)
from msearch_client._catalogue import (
    Artifact,
    Dataset,
    DatasetSample,
    Filter,
    Metric,
    Modality,
    Model,
    NewDataset,
    SignatureSummary,
    Space,
    Tensor,
)
from msearch_client._client import (
    Client,
)
from msearch_client._comparison import (
    Comparison,
)
from msearch_client._constraints import (
    Constraint,
    ProfileOptions,
    Relation,
)
from msearch_client._drifts import (
    ClassShift,
    Drift,
    Outlier,
)
from msearch_client._ensembles import (
    Ensemble,
    EnsembleMember,
)
from msearch_client._errors import (
    AlreadyExistsError,
    ApiError,
    CancelledError,
    ConflictError,
    DeadlineExceededError,
    InternalError,
    InvalidArgumentError,
    JobFailedError,
    LocalError,
    MsearchError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionFailedError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
)
from msearch_client._evaluations import (
    AccuracyPrediction,
    Contribution,
    EvaluateSpec,
    Validation,
)
from msearch_client._evidence import (
    Calibration,
    Evaluation,
    EvaluationSample,
    PlannedEvaluation,
    PredictorInfo,
    RefusedModel,
    SampleKind,
    Submitted,
)
from msearch_client._experiments import (
    Cell,
    CellCounts,
    CellState,
    Experiment,
    ExperimentPlan,
    ExperimentState,
    SearchProgress,
    Submission,
)
from msearch_client._jobs import (
    Decision,
    Explanation,
    Failure,
    Job,
    JobSpec,
    JobState,
    Progress,
    RunLimits,
    SizeEstimate,
)
from msearch_client._labelled import (
    LabelStanding,
    LabelVerdict,
)
from msearch_client._labelling import (
    LabellingSession,
)
from msearch_client._latency_calls import (
    LatencyPrediction,
    LatencyPredictions,
)
from msearch_client._listing import (
    Listing,
)
from msearch_client._loads import (
    Batching,
    Load,
    Network,
    Scenario,
)
from msearch_client._prices import (
    PriceTable,
)
from msearch_client._profiles import (
    Form,
    InvalidReason,
    Measurement,
    Offer,
    Profile,
    Profiles,
    RunSummary,
    Verdict,
)
from msearch_client._rankings import (
    Candidate,
    Exclusion,
    FailedModel,
    Ranking,
    Score,
    Scores,
    ScoreValue,
    WeightedScore,
)
from msearch_client._recommendations import (
    Change,
    Configuration,
    Figure,
    Nearest,
    Recommendation,
    Untold,
)
from msearch_client._tokens import (
    NewToken,
    Role,
    Token,
)
from msearch_client._variants import (
    Precision,
    Variant,
)

__all__ = [
    "AccuracyPrediction",
    "Agent",
    "AgentState",
    "AlreadyExistsError",
    "Answer",
    "ApiError",
    "Artifact",
    "BackendStatus",
    "Batching",
    "Calibration",
    "CancelledError",
    "Candidate",
    "Cell",
    "CellCounts",
    "CellState",
    "Change",
    "ClassShift",
    "Client",
    "Comparison",
    "Configuration",
    "ConflictError",
    "Constraint",
    "Contribution",
    "Dataset",
    "DatasetSample",
    "DeadlineExceededError",
    "Decision",
    "Drift",
    "Ensemble",
    "EnsembleMember",
    "EvaluateSpec",
    "Evaluation",
    "EvaluationSample",
    "Exclusion",
    "Experiment",
    "ExperimentPlan",
    "ExperimentState",
    "Explanation",
    "FailedModel",
    "Failure",
    "Figure",
    "Filter",
    "Findings",
    "Form",
    "InternalError",
    "InvalidArgumentError",
    "InvalidReason",
    "Job",
    "JobFailedError",
    "JobSpec",
    "JobState",
    "LabelStanding",
    "LabelVerdict",
    "LabellingSession",
    "LatencyPrediction",
    "LatencyPredictions",
    "Listing",
    "Load",
    "LocalError",
    "Measurement",
    "Metric",
    "Modality",
    "Model",
    "MsearchError",
    "Nearest",
    "Network",
    "NewDataset",
    "NewToken",
    "NotFoundError",
    "Offer",
    "Outlier",
    "PermissionDeniedError",
    "PlannedEvaluation",
    "Precision",
    "PreconditionFailedError",
    "PredictorInfo",
    "PriceTable",
    "Profile",
    "ProfileOptions",
    "Profiles",
    "Progress",
    "Ranking",
    "Recommendation",
    "RefusedModel",
    "Relation",
    "ResourceExhaustedError",
    "Role",
    "RunLimits",
    "RunSummary",
    "SampleKind",
    "Scenario",
    "Score",
    "ScoreValue",
    "Scores",
    "SearchProgress",
    "SignatureSummary",
    "SizeEstimate",
    "Space",
    "Submission",
    "Submitted",
    "Tensor",
    "Token",
    "UnauthenticatedError",
    "UnavailableError",
    "Untold",
    "Validation",
    "Variant",
    "Verdict",
    "WeightedScore",
]

# Names are public here only: tracebacks, reprs and documentation show this place, not the private modules.
for _name in __all__:
    globals()[_name].__module__ = __name__
del _name
