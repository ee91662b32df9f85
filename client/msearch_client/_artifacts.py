"""The bytes of a model on this machine: what is uploaded, and how a download becomes a file."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from msearch_client._catalogue import Artifact, Model
from msearch_client._errors import LocalError

CHUNK_BYTES = 1 << 20

OnProgress: TypeAlias = Callable[[int, int | None], object]
"""Called with how much is done and how much there is in all (None where unknown), in bytes or rows."""


@dataclass(frozen=True, slots=True)
class Upload:
    """Bytes to send: a file or bytes in memory, with SHA-256 digest and size in bytes."""

    source: Path | bytes
    digest: str
    size_bytes: int

    def open(self) -> BinaryIO:
        """The bytes from the beginning."""
        return self.source.open("rb") if isinstance(self.source, Path) else io.BytesIO(self.source)

    def chunks(self, progress: OnProgress | None) -> Iterator[bytes]:
        """The bytes in pieces of 1 MiB."""
        sent = 0
        with self.open() as stream:
            while chunk := stream.read(CHUNK_BYTES):
                yield chunk
                sent += len(chunk)
                if progress is not None:
                    progress(sent, self.size_bytes)


def digest_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal. Raises OSError."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def prepare_upload(artifact: str | os.PathLike[str] | bytes) -> Upload:
    """Reads the artifact once for its digest.

    Raises:
        LocalError: the file cannot be read, or is empty.
    """
    if isinstance(artifact, bytes):
        upload = Upload(artifact, hashlib.sha256(artifact).hexdigest(), len(artifact))
        name = "the artifact"
    else:
        path = Path(artifact)
        name = f"the artifact {path}"
        try:
            upload = Upload(path, digest_of(path), path.stat().st_size)
        except OSError as error:
            raise LocalError(f"cannot read {name}: {error.strerror or error}") from None
    if upload.size_bytes == 0:
        raise LocalError(f"{name} is empty")
    return upload


_SUFFIXES = {"onnx": ".onnx", "torch_export": ".pt2"}


def choose_path(path: Path, model: Model) -> Path:
    """The file to write: `path` itself, or NAME-VERSION.onnx in it if it is a folder."""
    if not path.is_dir():
        return path
    suffix = _SUFFIXES.get(model.artifact.format, ".bin")
    return path / f"{model.name}-{model.version}{suffix}".replace("/", "_").replace(os.sep, "_")


def write_atomically(path: Path, announced: Artifact, chunks: Iterator[bytes], progress: OnProgress | None) -> None:
    """Writes the bytes beside `path`, checks digest and size, then renames: `path` is whole or not there.

    Raises:
        LocalError: the file cannot be written, or the bytes are not those that were announced.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise LocalError(f"cannot write {path}: {error.strerror or error}") from None
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            digest, size = hashlib.sha256(), 0
            for chunk in chunks:
                stream.write(chunk)
                digest.update(chunk)
                size += len(chunk)
                if progress is not None:
                    progress(size, announced.size_bytes)
        if digest.hexdigest() != announced.digest or size != announced.size_bytes:
            raise LocalError(
                f"the {size:,} bytes that arrived for {path} are not the {announced.size_bytes:,} bytes "
                f"with digest {announced.digest[:12]} that the service announced",
                hint="download again; if it repeats, the service's blob store is damaged",
            )
        # mkstemp makes the file private; a download has the permissions that any new file of this user has.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(path)
    except OSError as error:
        raise LocalError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)
