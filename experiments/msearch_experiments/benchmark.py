"""The benchmark file: what is measured, where, under which load, and how often (docs/benchmarks.md)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, Strict, model_validator

from msearch_card.errors import Problems
from msearch_card.fields import Label, Part, Text, Whole
from msearch_experiments.canonical.architecture import DEFAULT_CLASSES, DEFAULT_SEED
from msearch_experiments.fields import (
    MOST_VALUES,
    Backend,
    Count,
    Device,
    HostClass,
    Mode,
    ModelName,
    NotNegative,
    OneOrMore,
    Positive,
    Server,
    Word,
)
from msearch_experiments.loads import Load, Loads

MODEL_FREE = frozenset({"null", "remote"})
"""Backends that take no model: they are not crossed with the models of the file."""

DEFAULT_RETRIES = 1

Precision = Literal["fp32", "bf16", "fp16", "int8_dynamic", "int8_static"]


def _shapes(value: Any) -> Any:
    return [value] if isinstance(value, (list, tuple)) and all(isinstance(item, int) for item in value) else value


Shape = Annotated[tuple[Count, ...], Field(min_length=1, max_length=3)]


class Generate(Part):
    """Canonical models; every list makes a grid."""

    family: OneOrMore[Word] = Field(description="mlp, cnn, resnet, lstm, transformer.")
    layers: OneOrMore[Whole] = Field(description="What a layer is, each family says.")
    width: OneOrMore[Whole] = Field(description="Neurons, channels or cells of a layer.")
    input: Annotated[
        tuple[Shape, ...],
        BeforeValidator(_shapes, json_schema_input_type=Shape | tuple[Shape, ...]),
        Field(max_length=MOST_VALUES),
    ] = Field(default=(), description="Shapes of a row, without the batch; default: the usual one of the family.")
    classes: Whole = DEFAULT_CLASSES
    seed: OneOrMore[Whole] = Field(default=(DEFAULT_SEED,), description="Of the weights.")


class Hardware(Part):
    """Where it is measured."""

    host_class: OneOrMore[HostClass] = Field(
        default=("",), description="Host classes, or beginnings of them; each is measured. Empty: any one host."
    )
    labels: dict[Label, Text] = Field(default_factory=dict, description="Only agents with all of these labels.")


class Batching(Part):
    """Joins queries into batches in front of the model."""

    max_batch: Count
    max_wait_ms: NotNegative = 0.0


class Software(Part):
    """In which form; every list makes a grid."""

    backend: OneOrMore[Backend] = Field(default=("onnxruntime",), description="onnxruntime, openvino, torch, null, ...")
    precision: OneOrMore[Precision] = ("fp32",)
    batch_size: OneOrMore[Count] = Field(default=(1,), description="Samples a call takes.")
    threads: OneOrMore[Count] = Field(default=(1,), description="Threads within one call on a CPU.")
    mode: OneOrMore[Mode] = Field(default=("",), description="The backend's own mode.")
    device: OneOrMore[Device] = Field(default=("",), description='Such as "cuda:0"; empty: the best of the host.')
    server: OneOrMore[Server] | None = Field(
        default=None, description="Running Open Inference servers, grpc://HOST:PORT/MODEL; in place of a backend."
    )
    batching: OneOrMore[Batching | None] = Field(default=(None,), description="Joins queries; null for none.")

    @model_validator(mode="after")
    def _consistent(self) -> Software:
        if self.server is not None and "backend" in self.model_fields_set and self.backend != ("remote",):
            raise Problems(
                [("backend", "and server exclude each other: give another block of software to the servers")]
            )
        if self.server is None and "remote" in self.backend:
            raise Problems([("server", "is required for the backend remote")])
        return self

    @property
    def backends(self) -> tuple[str, ...]:
        """The backends: remote where servers are measured."""
        return self.backend if self.server is None else ("remote",)


class Network(Part):
    """A network between clients and model, simulated."""

    name: Literal["lan", "wifi", "4g"] | None = Field(default=None, description="One of NETWORKS; or its numbers.")
    round_trip_ms: Annotated[NotNegative, Field(le=60_000)] = Field(default=0.0, description="Without what bytes take.")
    up_mbit_per_s: Annotated[NotNegative, Field(le=1e6)] = Field(default=0.0, description="0: unlimited.")
    down_mbit_per_s: Annotated[NotNegative, Field(le=1e6)] = Field(default=0.0, description="0: unlimited.")

    @model_validator(mode="after")
    def _name_or_numbers(self) -> Network:
        numbers = self.model_fields_set - {"name"}
        if self.name is not None and numbers:
            raise Problems([(number, "and name exclude each other") for number in sorted(numbers)])
        return self

    @property
    def text(self) -> str:
        """As it stands in the text of a load; empty for none."""
        numbers = NETWORKS[self.name] if self.name else (self.round_trip_ms, self.up_mbit_per_s, self.down_mbit_per_s)
        named = zip(("rtt_ms", "up_mbit", "down_mbit"), numbers, strict=True)
        return ",".join(f"{name}={number:g}" for name, number in named if number)


NETWORKS: dict[str, tuple[float, float, float]] = {"lan": (0.5, 1000, 1000), "wifi": (5, 100, 100), "4g": (50, 10, 30)}
"""Round trip in ms, megabits a second up and down: ordinary values, no measurement of any one network."""


def _named_network(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class Pipeline(Part):
    """What lies around the model; its stages are timed within each request."""

    processing: Annotated[bool, Strict()] = Field(
        default=True,
        description="Requests carry rows, and pre- and post-processing by the model's card are part of them; false: "
        "they carry tensors.",
    )

    network: OneOrMore[
        Annotated[
            Network | None,
            BeforeValidator(_named_network, json_schema_input_type=Literal["lan", "wifi", "4g"] | Network | None),
        ]
    ] = Field(default=(None,), description="Networks between clients and model, each is measured; null for none.")


class Limits(Part):
    """When a run counts, and how often it is repeated; what is left out takes the agent's default."""

    min_duration_s: Positive | None = Field(default=None, description="A run lasts at least this long (2).")
    min_queries: Count | None = Field(default=None, description="And has at least this many queries (662).")
    max_duration_s: Positive | None = Field(default=None, description="It is stopped after this long (60).")
    repeats: Annotated[int, Field(strict=True, ge=1, le=100)] | None = Field(
        default=None, description="Most runs, each in a fresh process (5)."
    )
    within: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="Repeats stop once the p50 is known within plus or minus this share (0.03)."
    )
    seed: Count | None = Field(default=None, description="Of everything drawn by chance (1).")
    epsilon: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="Largest accuracy loss of an offered variant (0.01)."
    )


class Search(Part):
    """Looks for the best cell of the grid instead of measuring all."""

    optimise: Word = Field(description="A measured quantity, e.g. throughput_per_s; its better end is looked for.")
    require: OneOrMore[Annotated[str, Field(max_length=200)]] | None = Field(
        default=None, description='Limits that the best must keep, as in "p99_ms<=20".'
    )
    trials: Annotated[int, Field(strict=True, ge=1, le=10_000)] = Field(
        default=20, description="Cells measured at most."
    )
    per_round: Annotated[int, Field(strict=True, ge=1, le=1_000)] = Field(
        default=4, description="Cells asked for at once."
    )
    seed: Annotated[int, Field(strict=True, ge=0, lt=1 << 31)] = 1


class Benchmark(Part):
    """A benchmark file."""

    name: Annotated[Text, Field(max_length=200)] = Field(default="", description="For people.")
    description: Text = ""
    models: OneOrMore[ModelName] | None = Field(
        default=None, description="Registered models: name (the newest version), or name@version."
    )
    generate: OneOrMore[Generate] | None = Field(default=None, description="Canonical models, made by the service.")
    hardware: Hardware = Hardware()
    software: OneOrMore[Software] = (Software(),)
    loads: OneOrMore[Load] = Field(
        default=(Loads(text="single_stream"),), description='Texts such as "server:100", or grids of loads.'
    )
    pipeline: Pipeline | None = None
    limits: Limits = Limits()
    search: Search | None = None
    retries: Annotated[int, Field(strict=True, ge=0, le=10)] = Field(
        default=DEFAULT_RETRIES,
        description="Times that a cell is measured again whose profile is INVALID for a reason that may pass.",
    )
    priority: Annotated[int, Field(strict=True, ge=-100, le=100)] = Field(
        default=0, description="Of its jobs: higher goes first."
    )
    memory_limit_bytes: Count | None = Field(default=None, description="Memory one run may take (8 GiB).")

    @model_validator(mode="after")
    def _no_network_to_what_is_there(self) -> Benchmark:
        far = self.pipeline is not None and any(network and network.text for network in self.pipeline.network)
        if far and any(load.called.partition(",")[0] == "offline" for load in self.loads):
            problem = (
                "has no use for the load offline, whose samples all lie at the model from the start: give it a file"
            )
            raise Problems([("pipeline.network", f"{problem} of its own")])
        return self

    @model_validator(mode="after")
    def _something_to_measure(self) -> Benchmark:
        needing = [name for block in self.software for name in block.backends if name not in MODEL_FREE]
        if needing and not (self.models or self.generate):
            raise Problems([("models", f"or generate is required: the backend {needing[0]} measures models")])
        if not needing and (self.models or self.generate):
            raise Problems([("software", "measures none of the models: name a backend such as onnxruntime")])
        return self
