"""Blobs in an S3-compatible store, each an object under its digest.

An upload is spooled locally and sent only once its digest is right, so the store never holds a wrong byte: large ones
as a multipart upload, which S3 makes visible at once when complete. A process killed while sending leaves an invisible
incomplete multipart upload, for the bucket's own lifecycle rule (AbortIncompleteMultipartUpload) to remove: the S3 API
that this store uses does not list them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from search_service.domain.errors import InvalidArgument
from search_service.storage.blob_digest import Expected, blob_not_found, blobs_unavailable, is_digest

if TYPE_CHECKING:
    from obstore import ReadableFile
    from obstore.store import S3Config

_IN_MEMORY_BYTES = 8 << 20
_REQUEST_BYTES = 8 << 20
_MOST_PARTS = 9_000  # S3 allows 10,000
_OPTIONS = {"endpoint", "region"}


def open_object_store(url: str) -> ObjectBlobStore:
    """The store of s3://BUCKET/PREFIX?endpoint=URL&region=NAME.

    Credentials, and what the URL leaves out, come from the usual AWS_ environment variables (AWS_ENDPOINT_URL,
    AWS_REGION, AWS_ACCESS_KEY_ID, ...).

    Raises:
        InvalidArgument: the URL names no bucket, or an unknown option.
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    if not parts.netloc or "@" in parts.netloc or set(options) - _OPTIONS:
        raise InvalidArgument(
            "an object store is s3://BUCKET/PREFIX with the options endpoint and region; "
            "credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    endpoint = options.get("endpoint") or os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT") or ""
    config: S3Config = {}
    if endpoint:
        config["endpoint"] = endpoint
    if "region" in options:
        config["region"] = options["region"]
    try:
        store = S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            config=config,
            client_options={"allow_http": endpoint.startswith("http://"), "connect_timeout": "5s", "timeout": "60s"},
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=30)},
        )
    except BaseError as error:
        raise InvalidArgument(f"the object store cannot be used: {str(error).strip().partition(chr(10))[0]}") from error
    return ObjectBlobStore(store)


class ObjectBlobStore:
    """All objects of the store whose key is a digest."""

    def __init__(self, store: S3Store) -> None:
        self._store = store

    def upload(self, digest: str, size_bytes: int) -> ObjectBlobUpload:
        return ObjectBlobUpload(self._store, Expected(digest, size_bytes))

    def exists(self, digest: str) -> bool:
        if not is_digest(digest):
            return False
        with _reported("look up"):
            try:
                obstore.head(self._store, digest)
            except FileNotFoundError:
                return False
        return True

    def read(self, digest: str, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
        if not is_digest(digest):
            raise blob_not_found(digest)
        with _reported("read"):
            try:
                # Ranges, each its own request: no time limit spans the whole download.
                reader = obstore.open_reader(self._store, digest, buffer_size=max(chunk_bytes, _REQUEST_BYTES))
            except FileNotFoundError:
                raise blob_not_found(digest) from None
        return _chunks(reader, chunk_bytes)

    def delete(self, digest: str) -> None:
        if not is_digest(digest):
            return
        with _reported("delete"):
            try:
                obstore.delete(self._store, digest)
            except FileNotFoundError:
                return  # some stores say so

    def digests(self) -> Iterable[str]:
        with _reported("list"):
            for batch in obstore.list(self._store):
                yield from (entry["path"] for entry in batch if is_digest(entry["path"]))

    def sweep(self, older_than_s: float) -> int:
        del older_than_s  # spooled files have no name: they go with their process
        return 0


class ObjectBlobUpload:
    """One object being spooled."""

    def __init__(self, store: S3Store, expected: Expected) -> None:
        self._store = store
        self._expected = expected
        self._spool = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 - `finish` or `abort` closes it

    def write(self, chunk: bytes) -> None:
        self._expected.take(chunk)
        with _reported("spool"):
            self._spool.write(chunk)

    def finish(self) -> None:
        self._expected.check()
        size = self._expected.size_bytes
        with _reported("write"):
            self._spool.seek(0)
            obstore.put(
                self._store,
                self._expected.digest,
                self._spool,
                use_multipart=size > _REQUEST_BYTES,
                chunk_size=max(_REQUEST_BYTES, size // _MOST_PARTS + 1),
                max_concurrency=4,
            )
        self._spool.close()

    def abort(self) -> None:
        self._spool.close()


def _chunks(reader: ReadableFile, chunk_bytes: int) -> Iterator[bytes]:
    while True:
        with _reported("read"):
            chunk = bytes(reader.read(chunk_bytes))
        if not chunk:
            return
        yield chunk


@contextmanager
def _reported(doing: str) -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError) as error:
        # The library's own message quotes the endpoint and the server's answer: that is for the log.
        raise blobs_unavailable(
            doing, f"the object store refused or did not answer ({type(error).__name__})"
        ) from error
