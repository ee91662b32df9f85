"""Every blob store shows whole, right blobs and nothing else."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from search_service.domain.errors import InvalidArgument, NotFound, Reason, ResourceExhausted, Unavailable
from search_service.domain.ports import BlobStore
from search_service.storage.blobs import open_blob_store

BUCKET = "msearch-test"


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """A real HTTP server that speaks S3, with an empty bucket."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_url(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    import boto3
    from moto.moto_api._internal import moto_api_backend

    moto_api_backend.reset()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    boto3.client("s3", endpoint_url=s3_endpoint, region_name="us-east-1").create_bucket(Bucket=BUCKET)
    return f"s3://{BUCKET}/some/prefix?endpoint={s3_endpoint}&region=us-east-1"


@pytest.fixture(params=["folder", "file", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    if request.param == "s3":
        return open_blob_store(request.getfixturevalue("s3_url"))
    folder = tmp_path / "my blobs"
    return open_blob_store(str(folder) if request.param == "folder" else folder.as_uri())


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def put(blobs: BlobStore, data: bytes) -> str:
    upload = blobs.upload(digest_of(data), len(data))
    upload.write(data)
    upload.finish()
    return digest_of(data)


def nothing_is_there(blobs: BlobStore, digest: str) -> None:
    assert not blobs.exists(digest)
    assert list(blobs.digests()) == []
    with pytest.raises(NotFound) as caught:
        blobs.read(digest)
    assert caught.value.reason is Reason.ARTIFACT_NOT_FOUND


# 20 MB is more than one part of a multipart upload.
@pytest.mark.parametrize("size", [0, 1, 70_000, 20_000_000])
def test_bytes_come_back_in_chunks(blobs: BlobStore, size: int) -> None:
    data = os.urandom(size)
    upload = blobs.upload(digest_of(data), size)
    for start in range(0, size, 1_000_000):
        upload.write(data[start : start + 1_000_000])
    assert not blobs.exists(digest_of(data))
    upload.finish()
    upload.abort()
    assert blobs.exists(digest_of(data))
    assert b"".join(blobs.read(digest_of(data))) == data
    chunks = list(blobs.read(digest_of(data), chunk_bytes=30_000))
    assert b"".join(chunks) == data
    assert all(0 < len(chunk) <= 30_000 for chunk in chunks)
    assert list(blobs.digests()) == [digest_of(data)]


def test_wrong_bytes_are_refused(blobs: BlobStore) -> None:
    wanted = digest_of(b"right")
    upload = blobs.upload(wanted, 5)
    upload.write(b"wrong")
    with pytest.raises(InvalidArgument) as caught:
        upload.finish()
    assert caught.value.reason is Reason.DIGEST_MISMATCH
    assert wanted in caught.value.message
    nothing_is_there(blobs, wanted)
    upload.abort()
    nothing_is_there(blobs, wanted)


def test_too_few_bytes_are_refused(blobs: BlobStore) -> None:
    wanted = digest_of(b"whole")
    upload = blobs.upload(wanted, 5)
    upload.write(b"who")
    with pytest.raises(InvalidArgument) as caught:
        upload.finish()
    assert caught.value.reason is Reason.DIGEST_MISMATCH
    assert "5 bytes, 3 arrived" in caught.value.message
    upload.abort()
    nothing_is_there(blobs, wanted)


def test_too_many_bytes_are_refused_at_once(blobs: BlobStore) -> None:
    wanted = digest_of(b"whole")
    upload = blobs.upload(wanted, 5)
    upload.write(b"who")
    with pytest.raises(ResourceExhausted) as caught:
        upload.write(b"le!")
    assert caught.value.reason is Reason.TOO_LARGE
    upload.abort()
    nothing_is_there(blobs, wanted)


@pytest.mark.parametrize("digest", ["", "abc", "../" * 21 + "x", "A" * 64, "g" * 64, "a" * 65])
def test_a_malformed_digest_is_never_a_path(blobs: BlobStore, digest: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        blobs.upload(digest, 1)
    assert caught.value.fields
    assert not blobs.exists(digest)
    blobs.delete(digest)
    with pytest.raises(NotFound):
        blobs.read(digest)


def test_a_negative_size_is_refused(blobs: BlobStore) -> None:
    with pytest.raises(InvalidArgument):
        blobs.upload(digest_of(b""), -1)


def test_the_same_blob_may_be_written_many_times_at_once(blobs: BlobStore) -> None:
    data = os.urandom(100_000)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: put(blobs, data), range(8))) == {digest_of(data)}
    assert list(blobs.digests()) == [digest_of(data)]
    assert b"".join(blobs.read(digest_of(data))) == data


def test_a_failed_upload_leaves_an_earlier_blob_alone(blobs: BlobStore) -> None:
    digest = put(blobs, b"kept")
    upload = blobs.upload(digest, 4)
    upload.write(b"kep")
    upload.abort()
    upload.abort()
    assert b"".join(blobs.read(digest)) == b"kept"


def test_a_deleted_blob_is_gone(blobs: BlobStore) -> None:
    digest, other = put(blobs, b"one"), put(blobs, b"two")
    assert set(blobs.digests()) == {digest, other}
    blobs.delete(digest)
    blobs.delete(digest)
    assert list(blobs.digests()) == [other]
    assert not blobs.exists(digest)


def test_an_empty_store_is_empty(blobs: BlobStore) -> None:
    nothing_is_there(blobs, digest_of(b"x"))
    assert blobs.sweep(0) == 0


def test_a_killed_process_leaves_nothing_visible(
    request: pytest.FixtureRequest, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    """The child is killed, not stopped, in the middle of an upload."""
    data = b"x" * 3_000_000
    digest = digest_of(data)
    for kind, url in (("folder", str(tmp_path / "blobs")), ("s3", request.getfixturevalue("s3_url"))):
        with subtests.test(kind):
            script = (
                "import os\n"
                "from search_service.storage.blobs import open_blob_store\n"
                f"upload = open_blob_store({url!r}).upload({digest!r}, {len(data)})\n"
                "upload.write(b'x' * 2_000_000)\n"
                "os.kill(os.getpid(), 9)\n"
            )
            killed = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
            assert killed.returncode == -9, killed.stderr.decode()
            blobs = open_blob_store(url)
            nothing_is_there(blobs, digest)
            put(blobs, data)
            assert blobs.exists(digest)


def test_sweep_drops_old_partial_files_only(tmp_path: Path) -> None:
    blobs = open_blob_store(str(tmp_path))
    old = blobs.upload(digest_of(b"old"), 3)
    old.write(b"ol")
    (partial,) = (tmp_path / "partial").iterdir()
    long_ago = time.time() - 7200
    os.utime(partial, (long_ago, long_ago))
    young = blobs.upload(digest_of(b"young"), 5)
    young.write(b"young")
    whole = put(blobs, b"whole")
    assert blobs.sweep(3600) == 1
    assert blobs.sweep(3600) == 0
    assert not partial.exists()
    young.finish()
    assert set(blobs.digests()) == {whole, digest_of(b"young")}
    old.abort()


def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    blobs = open_blob_store(str(tmp_path / "blobs"))
    (tmp_path / "blobs").rmdir()
    (tmp_path / "blobs").write_bytes(b"")
    with pytest.raises(Unavailable) as caught:
        blobs.upload(digest_of(b"x"), 1)
    assert caught.value.reason is Reason.STORAGE_UNAVAILABLE


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_folder_that_cannot_be_made_is_refused_when_opened(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InvalidArgument, match="--blobs or MSEARCH_BLOBS"):
        open_blob_store(str(tmp_path / place))


def test_a_folder_that_may_not_be_written_is_refused_when_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(InvalidArgument, match="cannot be read and written"):
        open_blob_store(str(tmp_path))


def test_a_store_that_does_not_answer_is_unavailable(s3_url: str) -> None:
    blobs = open_blob_store(s3_url.replace(BUCKET, "no-such-bucket"))
    upload = blobs.upload(digest_of(b"x"), 1)
    upload.write(b"x")
    with pytest.raises(Unavailable) as caught:
        upload.finish()
    upload.abort()
    assert caught.value.reason is Reason.STORAGE_UNAVAILABLE
    assert "http" not in caught.value.message
    with pytest.raises(Unavailable):
        list(blobs.digests())


def test_the_environment_gives_the_endpoint(s3_url: str, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    blobs = open_blob_store(f"s3://{BUCKET}")
    digest = put(blobs, b"here")
    assert blobs.exists(digest)
    assert not open_blob_store(s3_url).exists(digest), "the prefix is part of the key"


@pytest.mark.parametrize(
    "url", ["", "https://example.org/x", "s3://", "s3://key:secret@bucket", "s3://b?acl=public", "file://host/x"]
)
def test_an_unknown_store_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        open_blob_store(url)
    assert "secret@" not in caught.value.message
