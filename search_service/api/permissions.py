"""Who may call what: one table, and nothing that is not in it may be called by anybody but an admin."""

from __future__ import annotations

from search_service.domain.access import Role

INCLUDED: dict[Role, frozenset[Role]] = {
    Role.READER: frozenset({Role.READER}),
    Role.PUBLISHER: frozenset({Role.READER, Role.PUBLISHER}),
    Role.AGENT: frozenset({Role.AGENT}),
    Role.ADMIN: frozenset(Role),
}
"""The roles whose calls a token of each role may make."""

LEAST_ROLES: dict[str, Role] = {
    "/msearch.v1.RegistryService/RegisterModel": Role.PUBLISHER,
    "/msearch.v1.RegistryService/GetModel": Role.READER,
    "/msearch.v1.RegistryService/ListModels": Role.READER,
    "/msearch.v1.RegistryService/UpdateModel": Role.PUBLISHER,
    "/msearch.v1.RegistryService/DeleteModel": Role.PUBLISHER,
    "/msearch.v1.RegistryService/DownloadArtifact": Role.READER,
    "/msearch.v1.RegistryService/RegisterDataset": Role.PUBLISHER,
    "/msearch.v1.RegistryService/GetDataset": Role.READER,
    "/msearch.v1.RegistryService/ListDatasets": Role.READER,
    "/msearch.v1.RegistryService/UpdateDataset": Role.PUBLISHER,
    "/msearch.v1.RegistryService/PutDatasetSample": Role.PUBLISHER,
    "/msearch.v1.RegistryService/DeleteDatasetSample": Role.PUBLISHER,
    "/msearch.v1.RegistryService/DeleteDataset": Role.PUBLISHER,
    "/msearch.v1.RegistryService/RegisterFeatureSpace": Role.PUBLISHER,
    "/msearch.v1.RegistryService/GetFeatureSpace": Role.READER,
    "/msearch.v1.RegistryService/ListFeatureSpaces": Role.READER,
    "/msearch.v1.RegistryService/UpdateFeatureSpace": Role.PUBLISHER,
    "/msearch.v1.RegistryService/DeleteFeatureSpace": Role.PUBLISHER,
    "/msearch.v1.SearchService/Search": Role.READER,
    "/msearch.v1.SearchService/SearchByData": Role.READER,
    "/msearch.v1.SearchService/ListScores": Role.READER,
    "/msearch.v1.ProfilingService/SubmitJob": Role.PUBLISHER,
    "/msearch.v1.ProfilingService/GetJob": Role.READER,
    "/msearch.v1.ProfilingService/ExplainJob": Role.READER,
    "/msearch.v1.ProfilingService/ListJobs": Role.READER,
    "/msearch.v1.ProfilingService/CancelJob": Role.PUBLISHER,
    "/msearch.v1.ProfilingService/CancelJobs": Role.PUBLISHER,
    "/msearch.v1.ProfilingService/WatchJob": Role.READER,
    "/msearch.v1.ProfilingService/GetProfile": Role.READER,
    "/msearch.v1.ProfilingService/GetProfiles": Role.READER,
    "/msearch.v1.ProfilingService/ListProfiles": Role.READER,
    "/msearch.v1.ProfilingService/DownloadForm": Role.READER,
    "/msearch.v1.ProfilingService/ListAgents": Role.READER,
    "/msearch.v1.ProfilingService/GetAgent": Role.READER,
    "/msearch.v1.ProfilingService/DrainAgent": Role.ADMIN,
    "/msearch.v1.EvaluationService/PutEvaluationSample": Role.READER,
    "/msearch.v1.EvaluationService/GetEvaluationSample": Role.READER,
    "/msearch.v1.EvaluationService/ListEvaluationSamples": Role.READER,
    "/msearch.v1.EvaluationService/DeleteEvaluationSample": Role.READER,
    "/msearch.v1.EvaluationService/EvaluateModels": Role.READER,
    "/msearch.v1.EvaluationService/AddOutputs": Role.READER,
    "/msearch.v1.EvaluationService/DownloadOutputs": Role.READER,
    "/msearch.v1.EvaluationService/PutValidation": Role.PUBLISHER,
    "/msearch.v1.EvaluationService/ListEvaluations": Role.READER,
    "/msearch.v1.EvaluationService/Calibrate": Role.PUBLISHER,
    "/msearch.v1.EvaluationService/GetPredictor": Role.READER,
    "/msearch.v1.EvaluationService/RefitPredictor": Role.PUBLISHER,
    "/msearch.v1.AgentService/RegisterAgent": Role.AGENT,
    "/msearch.v1.AgentService/AcquireJob": Role.AGENT,
    "/msearch.v1.AgentService/RenewLease": Role.AGENT,
    "/msearch.v1.AgentService/ReportProgress": Role.AGENT,
    "/msearch.v1.AgentService/KeepForm": Role.AGENT,
    "/msearch.v1.AgentService/CompleteJob": Role.AGENT,
    "/msearch.v1.AgentService/CompleteEvaluation": Role.AGENT,
    "/msearch.v1.AgentService/FailJob": Role.AGENT,
    "/msearch.v1.AgentService/ReleaseJob": Role.AGENT,
    "/msearch.v1.AgentService/FetchForJob": Role.AGENT,
    "/msearch.v1.BenchmarkService/SubmitExperiment": Role.PUBLISHER,
    "/msearch.v1.BenchmarkService/GetExperiment": Role.READER,
    "/msearch.v1.BenchmarkService/ListExperiments": Role.READER,
    "/msearch.v1.BenchmarkService/ListCells": Role.READER,
    "/msearch.v1.BenchmarkService/CancelExperiment": Role.PUBLISHER,
    "/msearch.v1.BenchmarkService/DeleteExperiment": Role.PUBLISHER,
    "/msearch.v1.AccessService/CreateToken": Role.ADMIN,
    "/msearch.v1.AccessService/ListTokens": Role.ADMIN,
    "/msearch.v1.AccessService/RevokeToken": Role.ADMIN,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": Role.READER,
}
"""The least role that may make each call; an admin may make them all."""

OPEN = "/grpc.health.v1.Health/"
"""Calls that need no token: a load balancer has none, and they say nothing but whether the service is well."""


def allows(role: Role, method: str) -> bool:
    """Whether a token of this role may call the method of this full name."""
    return LEAST_ROLES.get(method, Role.ADMIN) in INCLUDED[role]


def roles_allowed(method: str) -> tuple[Role, ...]:
    """The roles that may call it, for a message."""
    return tuple(role for role in Role if allows(role, method))
