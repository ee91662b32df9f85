"""Evaluation over a socket, for tests: models, datasets, samples and outputs, and the calls to make with them."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from msearch.v1 import agent_service_pb2 as gpb
from msearch.v1 import evaluation_service_pb2 as epb
from msearch.v1 import registry_service_pb2 as rpb
from msearch.v1 import types_pb2
from msearch_sketch.datasets import open_dataset
from msearch_sketch.featurisers import get_featuriser
from msearch_sketch.sketching import default_space, sketch
from msearch_sketch.spaces import FeatureSpace
from tests.fake_agent import FakeAgent, Metadata
from tests.service_in_process import Running, chunk, header, upload
from tests.small_zoo import COLUMNS, make_card, make_table, write_net

PIECE = 1000


@dataclass(frozen=True)
class SmallRegistry:
    """Three models with artifacts, each with a source dataset of its own, in one tabular space."""

    running: Running
    space: FeatureSpace
    models: dict[str, types_pb2.Model]

    @property
    def stub(self) -> Any:
        """The service of evaluation."""
        return self.running.evaluation

    def dataset_of(self, name: str) -> str:
        """The id of the model's source dataset."""
        dataset_id: str = self.models[name].dataset_id
        return dataset_id

    def agent(self, name: str = "one", metadata: Metadata = (), **fields: Any) -> FakeAgent:
        """An agent that runs ONNX models in evaluate jobs."""
        values = {"evaluates": ["onnx"], "capacity": 10} | fields
        return FakeAgent(self.running.agents, name, metadata, **values).register()

    def put_sample(self, data: bytes, metadata: Metadata = (), **fields: Any) -> epb.PutEvaluationSampleResponse:
        """Stores a target."""
        messages = sample_messages(data, **fields)
        answer: epb.PutEvaluationSampleResponse = self.stub.PutEvaluationSample(messages, metadata=metadata)
        return answer

    def put_validation_sample(
        self, data: bytes, model: str = "near", metadata: Metadata = (), **fields: Any
    ) -> epb.EvaluationSample:
        """Stores a labelled sample of the model's source dataset."""
        values = {
            "kind": epb.SAMPLE_KIND_VALIDATION,
            "dataset": rpb.DatasetReference(id=self.dataset_of(model)),
            "label_column": "label",
        }
        return self.put_sample(data, metadata, **(values | fields)).sample

    def evaluate(self, sample_id: str, *names: str, metadata: Metadata = (), **fields: Any) -> Any:
        """Asks to run models on a sample."""
        ids = [self.models[name].id if name in self.models else name for name in names or self.models]
        request = epb.EvaluateModelsRequest(sample_id=sample_id, model_ids=ids, **fields)
        return self.stub.EvaluateModels(request, metadata=metadata)

    def add_outputs(
        self,
        name: str,
        sample_id: str,
        probabilities: NDArray[Any],
        classes: Sequence[str] = (),
        metadata: Metadata = (),
    ) -> epb.Evaluation:
        """Stores outputs."""
        head = epb.AddOutputsRequest.Header(
            model=rpb.ModelReference(id=self.models[name].id if name in self.models else name),
            sample_id=sample_id,
            classes=classes,
            row_count=len(probabilities),
        )
        data = probabilities.astype("<f4").tobytes()
        messages = [epb.AddOutputsRequest(header=head), *(epb.AddOutputsRequest(chunk=part) for part in cut(data))]
        evaluation: epb.Evaluation = self.stub.AddOutputs(iter(messages), metadata=metadata).evaluation
        return evaluation

    def download_outputs(
        self, name: str, sample_id: str, metadata: Metadata = ()
    ) -> tuple[epb.DownloadOutputsResponse.Header, NDArray[np.float32]]:
        """Outputs read back: what is said of them, and the probabilities."""
        model = rpb.ModelReference(id=self.models[name].id if name in self.models else name)
        request = epb.DownloadOutputsRequest(model=model, sample_id=sample_id)
        first, *rest = self.stub.DownloadOutputs(request, metadata=metadata)
        data = b"".join(message.chunk for message in rest)
        return first.header, np.frombuffer(data, "<f4").reshape(first.header.row_count, len(first.header.classes))

    def evaluations(self, metadata: Metadata = (), **fields: Any) -> list[epb.Evaluation]:
        """All that the caller sees."""
        request = epb.ListEvaluationsRequest(**fields)
        return list(self.stub.ListEvaluations(request, metadata=metadata).evaluations)

    def model(self, name: str) -> types_pb2.Model:
        """The model as it is now."""
        reference = rpb.ModelReference(id=self.models[name].id)
        model: types_pb2.Model = self.running.registry.GetModel(rpb.GetModelRequest(model=reference)).model
        return model


def fill_registry(running: Running, folder: Path, metadata: Metadata = ()) -> SmallRegistry:
    """Registers the space, the datasets and the models near, mid and far."""
    space = default_space(open_dataset(make_table(0.0), labels="label"))
    request = rpb.RegisterFeatureSpaceRequest(document=space.document)
    running.registry.RegisterFeatureSpace(request, metadata=metadata)
    models = {}
    for number, (name, shift) in enumerate({"near": 0.0, "mid": 1.5, "far": 6.0}.items()):
        write_net(folder / f"{name}.onnx", bias=number)
        data = (folder / f"{name}.onnx").read_bytes()
        signature = sketch(open_dataset(make_table(shift), labels="label"), space).signature
        source = rpb.NewDataset(
            name=f"{name}-data",
            modality=types_pb2.MODALITY_TABULAR,
            signatures=[types_pb2.Signature(data=signature.encoded)],
        )
        announced = upload(hashlib.sha256(data).hexdigest(), len(data))
        first = header(json.dumps(make_card(name)), new_dataset=source, upload=announced)
        models[name] = running.registry.RegisterModel(iter([first, chunk(data)]), metadata=metadata).model
    return SmallRegistry(running, space, models)


def rows_of(table: pa.Table, batch: int = 64) -> bytes:
    """A table as one Arrow IPC stream."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=batch)
    return sink.getvalue()


def a_target_table(rows: int = 60, shift: float = 0.0) -> pa.Table:
    """Rows without labels."""
    return make_table(shift, rows, labels=False)


def points_of(table: pa.Table, space: FeatureSpace, labels: Sequence[str] | None = None) -> bytes:
    """The points of rows as a client sends them, the second one missing."""
    dataset = open_dataset(table.select(COLUMNS))
    ticks = np.concatenate(
        [get_featuriser(space.featuriser).transform(b, dataset.columns, space).ticks for b in dataset.batches()]
    )
    missing = np.zeros(len(ticks), bool)
    missing[1] = True
    flat = pa.array(ticks.ravel(), pa.int16())
    points = pa.FixedSizeListArray.from_arrays(flat, space.dimension, mask=pa.array(missing))
    columns: dict[str, Any] = {"point": points}
    if labels is not None:
        columns["label"] = pa.array(labels)
    made = pa.table(columns).replace_schema_metadata({"msearch.space_digest": space.digest})
    return rows_of(made)


def sample_messages(data: bytes, **fields: Any) -> Iterator[epb.PutEvaluationSampleRequest]:
    """An upload of a sample; of a target's rows unless `fields` say otherwise."""
    values = {
        "kind": epb.SAMPLE_KIND_TARGET,
        "digest": hashlib.sha256(data).hexdigest(),
        "size_bytes": len(data),
        "content": epb.PutEvaluationSampleRequest.CONTENT_ROWS,
    }
    yield epb.PutEvaluationSampleRequest(header=epb.PutEvaluationSampleRequest.Header(**(values | fields)))
    for part in cut(data):
        yield epb.PutEvaluationSampleRequest(chunk=part)


def cut(data: bytes) -> list[bytes]:
    """In pieces."""
    return [data[start : start + PIECE] for start in range(0, len(data), PIECE)]


def some_outputs(rows: int, seed: int = 0, classes: int = 2) -> NDArray[np.float32]:
    """Probabilities drawn by chance."""
    return np.random.default_rng(seed).dirichlet(np.ones(classes), rows).astype(np.float32)


def complete(
    agent: FakeAgent,
    lease: gpb.Lease,
    probabilities: NDArray[Any],
    classes: Sequence[str] = ("cat", "dog"),
    **outputs: Any,
) -> Any:
    """Reports the outputs of an evaluate job, and gives the job."""
    told = epb.Outputs(classes=classes, **({"row_count": len(probabilities)} | outputs))
    head = gpb.CompleteEvaluationRequest.Header(lease=lease, outputs=told, versions={"onnxruntime": "1"})
    data = probabilities.astype("<f4").tobytes()
    parts = [gpb.CompleteEvaluationRequest(chunk=part) for part in cut(data)]
    messages = iter([gpb.CompleteEvaluationRequest(header=head), *parts])
    return agent.stub.CompleteEvaluation(messages, metadata=agent.metadata).job
