"""Texts that serve a model in the form that was measured: a Triton repository, programs for its runtime."""

from __future__ import annotations

from msearch_deployment.serving.package import Package, Tensor, Unservable, check_servable
from msearch_deployment.serving.programs import program, program_name, requirement
from msearch_deployment.serving.readme import readme
from msearch_deployment.serving.triton import MODEL_FILE, config_pbtxt, repository_name

__all__ = [
    "MODEL_FILE",
    "Package",
    "Tensor",
    "Unservable",
    "check_servable",
    "config_pbtxt",
    "program",
    "program_name",
    "readme",
    "repository_name",
    "requirement",
]
