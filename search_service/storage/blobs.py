"""Opens the blob store that a URL names."""

from __future__ import annotations

import importlib
from pathlib import Path
from urllib.parse import unquote, urlsplit

from search_service.domain.errors import InvalidArgument
from search_service.domain.ports import BlobStore
from search_service.storage.blob_folder import FolderBlobStore


def open_blob_store(url: str) -> BlobStore:
    """A folder (a path, or file:///PATH), which is created, or s3://BUCKET/PREFIX (see `blob_objects`), not yet asked.

    Raises:
        InvalidArgument: the URL is of no store that msearch supports, the extra for it is not installed, or the folder
            cannot be used.
    """
    parts = urlsplit(url)
    if parts.scheme == "s3":
        try:
            # Imported only when wanted: it is an extra.
            objects = importlib.import_module("search_service.storage.blob_objects")
        except ModuleNotFoundError as error:
            if error.name != "obstore":
                raise
            raise InvalidArgument("S3 needs its library: pip install 'msearch[s3]'") from None
        store: BlobStore = objects.open_object_store(url)
        return store
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or not parts.path:
            raise InvalidArgument(f"blob store {url!r} is on another machine: use file:///PATH")
        return FolderBlobStore(Path(unquote(parts.path)))
    if not url or "://" in url:
        raise InvalidArgument(f"blob store {url!r} is neither a folder, file:///PATH nor s3://BUCKET/PREFIX")
    return FolderBlobStore(Path(url))
