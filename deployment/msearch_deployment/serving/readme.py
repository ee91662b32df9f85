"""The README of an exported configuration."""

from __future__ import annotations

from collections.abc import Mapping

from msearch_deployment.serving.package import Package
from msearch_deployment.serving.programs import program_name, requirement
from msearch_deployment.serving.triton import repository_name


def readme(package: Package, figures: Mapping[str, str]) -> str:
    """What is in the folder, what was measured, and how to start it. `figures`: names and values as shown."""
    name = repository_name(package.identity)
    rows = "\n".join(f"| {_cell(key)} | {_cell(value)} |" for key, value in figures.items())
    return f"""# {_cell(package.identity)}

In the form that was measured: {_cell(package.form)}.

| | |
|---|---|
{rows}

| file | |
|---|---|
| `model.onnx` | the registered artifact, SHA-256 `{package.digest}` |
| `card.json` | its card: what rows it takes, what its output means, licence |
| `measured.json` | all figures, with intervals, and what they were measured on |
| `{program_name(package)}` | runs it on rows of a file with the settings of the measurement |
| `triton/{name}` | the same as a Triton model repository |
| `SHA256SUMS` | `sha256sum --check SHA256SUMS` |

    pip install "{_cell(requirement(package))}" msearch
    python {program_name(package)} SAMPLE

    tritonserver --model-repository "$PWD/triton"

The figures hold for the host class they were measured on, for one instance with these threads. Measure again where you
deploy.
"""


def _cell(text: str) -> str:
    """Text that keeps to its cell: names and figures come from strangers."""
    return " ".join(text.replace("|", "/").replace("`", "'").split())
