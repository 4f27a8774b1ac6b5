"""The files of a collection as their clients see them: what is live and what is on its way, one row a source."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from retrieval.catalog.database import Database
from retrieval.catalog.uploads import Order

Status = Literal["in_progress", "completed", "failed", "cancelled"]

# The newest job of a source decides, unless it ended well or by cancelling: then the live document, if there is one.
# An archive's own job ends when its members' begin. A document of an upload goes by the upload's id, also in a second
# collection, where it has an id of its own. Written out: the planner needs each side by its own index.
_FILES = """
WITH newest AS (
  SELECT j.* FROM jobs j WHERE {job_scope} AND j.rowid = (
    SELECT max(k.rowid) FROM jobs k WHERE k.collection_id = j.collection_id AND k.source_id = j.source_id)
), found AS (
  SELECT d.collection_id, d.source_id, d.source AS name, d.id AS document_id, d.created_at, v.id AS version_id,
         v.title, v.size, v.media_type, v.n_chunks, json_array_length(v.page_starts) AS n_pages, v.recipe, v.metadata,
         CASE WHEN j.state IN ('queued', 'running') AND NOT j.is_cancelled THEN 'in_progress'
              WHEN j.state = 'failed' THEN 'failed' ELSE 'completed' END AS status, j.id AS job_id
  FROM documents d JOIN versions v ON v.document_id = d.id AND v.state = 'live'
       LEFT JOIN newest j ON j.collection_id = d.collection_id AND j.source_id = d.source_id
  WHERE {document_scope}
  UNION ALL
  SELECT j.collection_id, j.source_id, j.source, j.document_id, j.created_at, NULL, NULL, j.size, NULL, 0, 0, NULL,
         NULL, CASE WHEN j.state = 'failed' THEN 'failed' WHEN j.state = 'cancelled' OR j.is_cancelled THEN 'cancelled'
              ELSE 'in_progress' END, j.id
  FROM newest j
  WHERE j.state != 'completed' AND NOT EXISTS (
    SELECT 1 FROM documents d JOIN versions v ON v.document_id = d.id AND v.state = 'live'
    WHERE d.collection_id = j.collection_id AND d.source_id = j.source_id)
), files AS (
  SELECT CASE WHEN source_id LIKE 'file-%' AND length(source_id) = 29 THEN source_id ELSE document_id END AS file_id, *
  FROM found
)
"""
_WHOLE = {"job_scope": "j.collection_id = :collection", "document_scope": "d.collection_id = :collection"}
_ONE = {
    "job_scope": "j.collection_id = :collection AND (j.document_id = :file OR j.source_id = :file)",
    "document_scope": "d.collection_id = :collection AND (d.id = :file OR d.source_id = :file)",
}
# An archive's files: their sources go on where its own ends. '0' is the character behind '/'.
_INSIDE = {
    "job_scope": "j.collection_id = :collection AND j.source_id > :source || '/' AND j.source_id < :source || '0'",
    "document_scope": "d.collection_id = :collection AND d.source_id > :source || '/' AND d.source_id < :source || '0'",
}
# From the jobs alone: few of them are not completed, while documents may be many.
_NOT_COMPLETED = {"job_scope": "j.state != 'completed'", "document_scope": "d.id IN (SELECT document_id FROM newest)"}


@dataclass(frozen=True, slots=True)
class StoreFile:
    """A file of a collection.

    Args:
        file_id: What its client calls it.
        collection_id: Where it is, or will be.
        source_id: Its identity there.
        name: What people are shown.
        document_id: Its document, or what that will be called.
        created_at: Seconds since the epoch.
        version_id: Its live version; None: nothing of it answers yet.
        title: Of the live version.
        size: Bytes of the original.
        media_type: Of the live version.
        n_chunks: Of the live version.
        n_pages: Of the live version; 0 where there are no pages.
        status: What became of what was uploaded last.
        job_id: The newest job, if it is still known.
        recipe: How the live version was made.
        metadata: Of the live version.
    """

    file_id: str
    collection_id: str
    source_id: str
    name: str
    document_id: str
    created_at: float
    version_id: str | None
    title: str | None
    size: int
    media_type: str | None
    n_chunks: int
    n_pages: int
    status: Status
    job_id: str | None
    recipe: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoreCounts:
    """What a collection's files add up to.

    Args:
        in_progress: Files on their way.
        failed: Files that failed.
        cancelled: Files whose job was cancelled.
        n_live: How many of those answer with what was there before.
        size: Bytes of the originals of all live documents.
    """

    in_progress: int = 0
    failed: int = 0
    cancelled: int = 0
    n_live: int = 0
    size: int = 0


class StoreFileTable:
    """Jobs and documents of a catalog, merged."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def page(
        self,
        collection_id: str,
        limit: int,
        *,
        after: str | None = None,
        order: Order = "desc",
        status: Status | None = None,
    ) -> list[StoreFile]:
        """Return files by age.

        Args:
            collection_id: Whose.
            limit: Most to return.
            after: The file id that the page before ended with; one that is gone since begins at the first.
            order: `desc` is newest first.
            status: Only these.
        """
        sign, way = ("<", "DESC") if order == "desc" else (">", "ASC")
        behind = f"(created_at, file_id) {sign} (SELECT created_at, file_id FROM files WHERE file_id = :after LIMIT 1)"
        known = "NOT EXISTS (SELECT 1 FROM files WHERE file_id = :after)"
        conditions = ["1"] if after is None else [f"({known} OR {behind})"]
        if status is not None:
            conditions.append("status = :status")
        query = f"{_COLUMNS} WHERE {' AND '.join(conditions)} ORDER BY created_at {way}, file_id {way} LIMIT :limit"
        parameters = {"collection": collection_id, "after": after, "status": status, "limit": limit}
        return self._files(_FILES.format(**_WHOLE) + query, parameters)

    def find(self, collection_id: str, file_id: str) -> list[StoreFile]:
        """Return the files of a collection that go by an id: their own or their document's; usually one or none."""
        return self._files(_FILES.format(**_ONE) + _COLUMNS, {"collection": collection_id, "file": file_id})

    def inside(self, collection_id: str, source_id: str) -> list[StoreFile]:
        """Return the files of an archive, by its own source."""
        return self._files(_FILES.format(**_INSIDE) + _COLUMNS, {"collection": collection_id, "source": source_id})

    def counts(self) -> dict[str, StoreCounts]:
        """Return what each collection's files add up to, by collection id; one without files and jobs has no entry."""
        open_files = _FILES.format(**_NOT_COMPLETED)
        open_files += """SELECT collection_id, status, count(*), count(version_id) FROM files
            WHERE status != 'completed' GROUP BY 1, 2"""
        found: dict[str, dict[str, int]] = {}
        for collection_id, status, count, n_live in self._db.fetch(open_files):
            counts = found.setdefault(collection_id, {})
            counts[status] = count
            counts["n_live"] = counts.get("n_live", 0) + n_live
        for collection_id, size in self._db.fetch(_SIZES):
            found.setdefault(collection_id, {})["size"] = size
        return {collection_id: StoreCounts(**counts) for collection_id, counts in found.items()}

    def places(self, file_id: str) -> list[tuple[str, str]]:
        """Return (collection id, source id) of all documents and jobs that go by an id, and of what was in it."""
        rows = self._db.fetch(_PLACES, {"file": file_id})
        return [(row[0], row[1]) for row in rows]

    def upload_ids(self, document_ids: Sequence[str]) -> dict[str, str]:
        """Return the upload's id of those documents that an upload, or an archive with them, was attached as."""
        marks = ",".join("?" * len(document_ids))
        query = f"""SELECT id, substr(source_id, 1, 29) FROM documents WHERE id IN ({marks})
            AND source_id LIKE 'file-%' AND (length(source_id) = 29 OR substr(source_id, 30, 1) = '/')"""
        return {row[0]: row[1] for row in self._db.fetch(query, tuple(document_ids))}

    def _files(self, query: str, parameters: Mapping[str, Any]) -> list[StoreFile]:
        rows = self._db.fetch(query, parameters)
        return [_store_file(row) for row in rows]


def _store_file(row: Any) -> StoreFile:
    values: tuple[Any, ...] = (*row[:-1], json.loads(row[-1]) if row[-1] else {})
    return StoreFile(*values)


_COLUMNS = """SELECT file_id, collection_id, source_id, name, document_id, created_at, version_id, title, size,
  media_type, n_chunks, n_pages, status, job_id, recipe, metadata FROM files"""
_IS_UPLOAD = "{0} LIKE 'file-%' AND length({0}) = 29"
# An attached archive's own job may be forgotten already: its id alone tells where its files are.
_PLACES = f"""
WITH own AS (
  SELECT collection_id, source_id FROM documents WHERE id = :file OR source_id = :file
  UNION SELECT collection_id, source_id FROM jobs WHERE document_id = :file OR source_id = :file
), archives AS (
  SELECT collection_id, source_id FROM own WHERE lower(source_id) LIKE '%.zip'
  UNION SELECT id, :file FROM collections WHERE {_IS_UPLOAD.format(":file")}
)
SELECT collection_id, source_id FROM own
UNION SELECT d.collection_id, d.source_id FROM documents d JOIN archives a ON a.collection_id = d.collection_id
  AND d.source_id > a.source_id || '/' AND d.source_id < a.source_id || '0'
UNION SELECT j.collection_id, j.source_id FROM jobs j JOIN archives a ON a.collection_id = j.collection_id
  AND j.source_id > a.source_id || '/' AND j.source_id < a.source_id || '0'
"""
_SIZES = """SELECT d.collection_id, sum(v.size) FROM versions v JOIN documents d ON d.id = v.document_id
  WHERE v.state = 'live' GROUP BY 1"""
