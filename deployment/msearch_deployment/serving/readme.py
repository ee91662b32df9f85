"""The README of an exported configuration."""

from __future__ import annotations

from collections.abc import Mapping

from msearch_deployment.serving.package import Package
from msearch_deployment.serving.programs import program_name, requirement
from msearch_deployment.serving.triton import PYTHON, REPOSITORY, repository_name, triton_backend

COMPILES = ("torch", "inductor")


def readme(package: Package, figures: Mapping[str, str]) -> str:
    """What is in the folder, what was measured, and how to start it. `figures`: names and values as shown."""
    name = repository_name(package.identity)
    rows = "\n".join(f"| {_cell(key)} | {_cell(value)} |" for key, value in figures.items())
    what = "what the agent made of the artifact and measured" if package.made else "the registered artifact"
    files = "\n".join(f"| `{file}` | {what}, SHA-256 `{digest}` |" for file, digest in package.digests.items())
    notes = "\n".join(f"- {note}" for note in _notes(package))
    return f"""# {_cell(package.identity)}

In the form that was measured: {_cell(package.form)}.

| | |
|---|---|
{rows}

| file | |
|---|---|
{files}
| `card.json` | its card: what rows it takes, what its output means, licence |
| `measured.json` | all figures, with intervals, and what they were measured on |
| `{program_name(package)}` | runs it on rows of a file with the settings of the measurement |
| `{REPOSITORY}/{name}` | the same as a Triton model repository |
| `SHA256SUMS` | `sha256sum --check SHA256SUMS` |

    pip install "{_cell(requirement(package))}" msearch
    python {program_name(package)} SAMPLE

    tritonserver --model-repository "$PWD/{REPOSITORY}"

{notes}
"""


_MEASURE_AGAIN = (
    "The figures hold for the host class they were measured on, for one instance with these threads. Measure again "
    "where you deploy."
)
_COMPILED_HERE = (
    "What PyTorch compiles for a host is compiled on yours, from the same program by the same code, when it is loaded; "
    "Inductor needs g++ for that."
)


def _notes(package: Package) -> list[str]:
    notes = [_MEASURE_AGAIN]
    backend = triton_backend(package)
    if package.bound_to:
        bound = ", ".join(f"{key}: {_cell(value)}" for key, value in sorted(package.bound_to.items()))
        notes.append(
            f"It loads only where it was made for ({bound}). Elsewhere measure the model there, and export that."
        )
    if backend == "tensorrt":
        notes.append("Triton must hold that very version of TensorRT: NVIDIA lists the versions of its containers.")
    if package.backend in COMPILES:
        notes.append(_COMPILED_HERE)
    if backend == PYTHON:
        notes.append(
            f"Triton runs `{program_name(package)}` in its Python backend, whose Python needs what pip installs above: "
            "no other backend of Triton can be told all that was measured."
        )
    return notes


def _cell(text: str) -> str:
    """Text that keeps to its cell: names and figures come from strangers."""
    return " ".join(text.replace("|", "/").replace("`", "'").split())
