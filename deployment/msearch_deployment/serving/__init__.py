"""Texts that serve a model in the form that was measured: a Triton repository, programs for its runtime."""

from __future__ import annotations

from msearch_deployment.serving.package import FILES, Package, Tensor, Unservable, check_servable
from msearch_deployment.serving.programs import program, program_name, requirement, triton_model
from msearch_deployment.serving.readme import readme
from msearch_deployment.serving.triton import PYTHON, REPOSITORY, config_pbtxt, repository_name, triton_backend

__all__ = [
    "FILES",
    "PYTHON",
    "REPOSITORY",
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
    "triton_backend",
    "triton_model",
]
