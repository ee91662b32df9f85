"""Find the model to deploy for data without labels: the client of the msearch search service.

from msearch_client import Client

with Client() as client:
    ranking = client.search("sample.parquet")
    print(ranking.best)
"""

from msearch_client._catalogue import (
    Artifact,
    Dataset,
    Filter,
    Metric,
    Modality,
    Model,
    NewDataset,
    SignatureSummary,
    Space,
    Tensor,
)
from msearch_client._client import Client
from msearch_client._errors import (
    AlreadyExistsError,
    ApiError,
    CancelledError,
    ConflictError,
    DeadlineExceededError,
    InternalError,
    InvalidArgumentError,
    LocalError,
    MsearchError,
    NotFoundError,
    PreconditionFailedError,
    ResourceExhaustedError,
    UnavailableError,
)
from msearch_client._listing import Listing
from msearch_client._rankings import Candidate, Exclusion, Ranking, Score, Scores, ScoreValue, WeightedScore

__all__ = [
    "AlreadyExistsError",
    "ApiError",
    "Artifact",
    "CancelledError",
    "Candidate",
    "Client",
    "ConflictError",
    "Dataset",
    "DeadlineExceededError",
    "Exclusion",
    "Filter",
    "InternalError",
    "InvalidArgumentError",
    "Listing",
    "LocalError",
    "Metric",
    "Modality",
    "Model",
    "MsearchError",
    "NewDataset",
    "NotFoundError",
    "PreconditionFailedError",
    "Ranking",
    "ResourceExhaustedError",
    "Score",
    "ScoreValue",
    "Scores",
    "SignatureSummary",
    "Space",
    "Tensor",
    "UnavailableError",
    "WeightedScore",
]

# Names are public here only: tracebacks, reprs and documentation show this place, not the private modules.
for _name in __all__:
    globals()[_name].__module__ = __name__
del _name
