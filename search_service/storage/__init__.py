"""Where the catalogue lives: in memory, in SQLite or PostgreSQL, and its bytes in a folder or an object store."""

from search_service.storage.blobs import open_blob_store
from search_service.storage.memory import MemoryDatabase
from search_service.storage.schema import StorageNotMigrated, downgrade, migrate
from search_service.storage.sql import open_database

__all__ = ["MemoryDatabase", "StorageNotMigrated", "downgrade", "migrate", "open_blob_store", "open_database"]
