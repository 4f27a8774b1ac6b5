"""The keyword index: BM25 over folded characters and pairs. The only importer of tantivy.

One folder for each collection, so that BM25's statistics are the collection's own. Nothing is in it that the catalog
could not give again: a folder that is lost counts as empty, one that cannot be read raises until it is dropped.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import tantivy

from retrieval.beside import Beside
from retrieval.errors import DataFolderError, KeywordIndexError, Message
from retrieval.keyword.tokens import indexed_text
from retrieval.models import Chunk, Hit

_ID, _DOCUMENT, _TEXT = "chunk_id", "document_id", "text"
_META = "meta.json"  # tantivy's list of segments: where it is, an index is
_WRITER_HEAP_BYTES = 30_000_000
_IDLE_RELEASE_S = 20.0
# Chroma (1.5.9) never answers again when the disk is full in the midst of its work rather than at its start, which a
# writer beside it would make likely.
_ROOMY_BYTES = 1024 * 1024 * 1024
_TIE_MARGIN = 16  # hits fetched beyond top_k, so that ties at the cut are broken by id and not by place in the index


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field(_ID, stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field(_DOCUMENT, tokenizer_name="raw", index_option="basic")
    # Tokens come joined by spaces. Title and heading path are in the same field: as a field of their own, with a
    # length norm of their own, they outweigh the text (docs/retrieval.md).
    builder.add_text_field(_TEXT, tokenizer_name="whitespace", index_option="freq")
    return builder.build()


_SCHEMA = _schema()


def _row(chunk: Chunk, text: str | None = None) -> tantivy.Document:
    if text is None:
        text = indexed_text(chunk.context_line, chunk.text)
    return tantivy.Document(**{_ID: chunk.chunk_id, _DOCUMENT: chunk.document_id, _TEXT: text})


def _query(weights: Mapping[str, float], document_ids: Sequence[str] | None) -> tantivy.Query:
    term, boost, should = tantivy.Query.term_query, tantivy.Query.boost_query, tantivy.Occur.Should
    query = tantivy.Query.boolean_query(
        [(should, boost(term(_SCHEMA, _TEXT, token, "freq"), weight)) for token, weight in weights.items()]
    )
    if document_ids is None:
        return query
    allowed = tantivy.Query.term_set_query(_SCHEMA, _DOCUMENT, list(document_ids))
    return tantivy.Query.boolean_query(
        [(tantivy.Occur.Must, query), (tantivy.Occur.Must, tantivy.Query.const_score_query(allowed, 0.0))]
    )


@contextmanager
def _translated(path: Path, doing: Message) -> Iterator[None]:
    """Turn what tantivy raises (ValueError, OSError, RuntimeError) into our errors."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as exc:
        what = Message(
            en=f"{doing.en} the keyword index {str(path)!r} failed: {exc}.",
            zh=f"{doing.zh}关键词索引 {str(path)!r} 失败：{exc}。",
        )
        if isinstance(exc, OSError) or _is_full(exc):
            hint = Message(
                "Check that the disk has space and the folder can be written.", "请检查磁盘空间和文件夹的写权限。"
            )
            raise DataFolderError(what, hint=hint) from exc
        raise KeywordIndexError(
            what, hint=Message("Run: huozi doctor --repair", "请运行：huozi doctor --repair")
        ) from exc


def _is_full(exc: Exception) -> bool:
    """Tell whether the disk is full, which tantivy says as a ValueError: then nothing is wrong with what is there."""
    return any(os.strerror(number) in str(exc) for number in (errno.ENOSPC, errno.EDQUOT))


_READING, _WRITING = Message(en="Reading", zh="读取"), Message(en="Writing", zh="写入")


class TantivyIndex:
    """Keyword indexes below one folder, one for each collection.

    Searches run at the same time as each other and as one writer for each collection. A writer is opened by the first
    write and given back when no write came for a while, so an idle service holds no buffers.

    Args:
        folder: Where the indexes lie; created by the first write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._handles: dict[str, _Handle] = {}
        self._lock = threading.Lock()

    def upsert(self, collection_id: str, chunks: Sequence[Chunk]) -> None:
        """Add or overwrite chunks; durable and searchable when this returns.

        Raises:
            KeywordIndexError: If the index cannot be read.
            DataFolderError: If it cannot be written.
        """
        with self.adding(collection_id, chunks):
            pass

    @contextmanager
    def adding(self, collection_id: str, chunks: Sequence[Chunk], texts: Sequence[str] | None = None) -> Iterator[None]:
        """Add or overwrite chunks while a block runs; durable and searchable when it ends.

        tantivy works on threads of its own, so that a block which waits, or holds Python's lock, costs it nothing. A
        block that raises may leave the chunks in or out: delete them then.

        Args:
            collection_id: The collection.
            chunks: Whole chunks.
            texts: What `indexed_text` gives for each, where somebody has made them already.

        Raises:
            KeywordIndexError: If the index cannot be read.
            DataFolderError: If it cannot be written.
        """
        # Tokenised before the writer's lock is taken: most of the work, and it needs no index.
        given = texts if texts is not None else [None] * len(chunks)
        rows = {chunk.chunk_id: _row(chunk, text) for chunk, text in zip(chunks, given, strict=True)}
        handle = self._handle(collection_id, create=True) if rows else None
        if handle is None:
            yield
            return
        with handle.writing(rows.keys(), rows.values()):
            yield

    def delete(self, collection_id: str, chunk_ids: Sequence[str]) -> None:
        """Forget chunks; unknown ids are no error. Durable when this returns.

        Raises:
            KeywordIndexError: If the index cannot be read.
            DataFolderError: If it cannot be written.
        """
        handle = self._handle(collection_id) if chunk_ids else None
        if handle is not None:
            with handle.writing(chunk_ids, []):
                pass

    def search(
        self,
        collection_id: str,
        weights: Mapping[str, float],
        *,
        top_k: int,
        document_ids: Sequence[str] | None = None,
    ) -> list[Hit]:
        """Return the best chunks by BM25 with each token weighted, best first, ties by chunk_id.

        Args:
            collection_id: The collection.
            weights: Folded tokens and their weights, as `query_weights` gives them.
            top_k: Most hits to return.
            document_ids: Restrict the search to these documents; None means all.

        Raises:
            KeywordIndexError: If the index cannot be read.
        """
        handle = self._handle(collection_id)
        if handle is None or not weights or document_ids is not None and not document_ids:
            return []
        return handle.search(_query(weights, document_ids), top_k)

    def frequencies(self, collection_id: str, tokens: Sequence[str]) -> tuple[int, dict[str, int]]:
        """Return the number of chunks indexed, and for each token the number of chunks that hold it."""
        handle = self._handle(collection_id)
        if handle is None:
            return 0, dict.fromkeys(tokens, 0)
        searcher = handle.searcher()
        n_chunks = searcher.num_docs
        # The index counts deleted chunks until it merges them away.
        return n_chunks, {token: min(n_chunks, searcher.doc_freq(_TEXT, token)) for token in tokens}

    def chunk_ids(self, collection_id: str) -> set[str]:
        """Return every chunk id indexed; for the doctor. Empty if the index is lost or cannot be read."""
        try:
            handle = self._handle(collection_id)
            if handle is None:
                return set()
            handle.check_files()
            return handle.chunk_ids()
        except KeywordIndexError:
            return set()

    def collection_ids(self) -> set[str]:
        """Return the ids of the collections that have anything here, readable or not."""
        if not self._folder.is_dir():
            return set()
        return {path.name for path in self._folder.iterdir() if path.is_dir()}

    def drop(self, collection_id: str) -> None:
        """Forget a whole collection, also when its index cannot be read."""
        with self._lock:
            handle = self._handles.pop(collection_id, None)
            if handle is not None:
                handle.close()
            shutil.rmtree(self._path(collection_id), ignore_errors=True)

    def close(self) -> None:
        """Release files."""
        with self._lock:
            handles, self._handles = list(self._handles.values()), {}
        for handle in handles:
            handle.close()

    def _path(self, collection_id: str) -> Path:
        return self._folder / collection_id

    def _handle(self, collection_id: str, *, create: bool = False) -> _Handle | None:
        handle = self._handles.get(collection_id)
        if handle is not None:
            return handle
        with self._lock:
            handle = self._handles.get(collection_id)
            path = self._path(collection_id)
            if handle is None and (create or (path / _META).exists()):
                handle = self._handles[collection_id] = _Handle(path)
            return handle


class _Handle:
    """One collection's open index, with its writer while there is one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with _translated(path, _WRITING):
            path.mkdir(parents=True, exist_ok=True)
        with _translated(path, _READING):
            self._index = tantivy.Index(_SCHEMA, path=str(path))
            # By hand, after each commit: the automatic way keeps a thread awake for each index.
            self._index.config_reader("manual")
            self._index.reload()
        self._writer: tantivy.IndexWriter | None = None
        self._release: threading.Timer | None = None
        self._lock = threading.Lock()

    def searcher(self) -> tantivy.Searcher:
        """Return a view of the last commit; it stays as it is while others write."""
        return self._index.searcher()

    @contextmanager
    def writing(self, deleted_ids: Iterable[str], rows: Iterable[tantivy.Document]) -> Iterator[None]:
        """Delete ids, add rows; commit beside the block, or after it where the disk is nearly full."""
        with self._lock:
            if self._release is not None:
                self._release.cancel()
            try:
                self.check_files()
                with _translated(self._path, _WRITING):
                    if self._writer is None:
                        self._writer = self._index.writer(_WRITER_HEAP_BYTES, 1)
                        # What a process left that was killed within a commit: the next one would give the same names.
                        self._writer.garbage_collect_files()
                    for chunk_id in deleted_ids:
                        self._writer.delete_documents_by_term(_ID, chunk_id)
                    for row in rows:
                        self._writer.add_document(row)
                    early = Beside(self._writer.commit) if self._is_roomy() else None
                try:
                    yield
                finally:
                    if early is not None:
                        early.wait()
                with _translated(self._path, _WRITING):
                    if early is None:
                        self._writer.commit()
                    else:
                        early.join()
                    self._index.reload()
            except BaseException:
                # A failed writer stays failed, and half of a batch must not ride along with the next commit.
                self._writer = None
                raise
            self._release = threading.Timer(_IDLE_RELEASE_S, self._close_writer)
            self._release.daemon = True
            self._release.start()

    def check_files(self) -> None:
        """Raise KeywordIndexError if the files were deleted: what is open answers on, but nothing new would last."""
        with _translated(self._path, _WRITING):
            if not (self._path / _META).exists():
                raise ValueError("its files are gone")

    def _is_roomy(self) -> bool:
        return shutil.disk_usage(self._path).free >= _ROOMY_BYTES

    def search(self, query: tantivy.Query, top_k: int) -> list[Hit]:
        """Return the best hits, ties by chunk_id."""
        searcher = self.searcher()
        with _translated(self._path, _READING):
            limit = top_k + _TIE_MARGIN
            found = searcher.search(query, limit, count=False).hits
            while len(found) == limit and found[-1][0] == found[top_k - 1][0]:
                limit *= 4
                found = searcher.search(query, limit, count=False).hits
            hits = [Hit(_stored_id(searcher, address), score) for score, address in found]
        hits.sort(key=lambda hit: (-hit.score, hit.chunk_id))
        return hits[:top_k]

    def chunk_ids(self) -> set[str]:
        """Return every id, whatever its number."""
        searcher = self.searcher()
        if searcher.num_docs == 0:
            return set()
        with _translated(self._path, _READING):
            found = searcher.search(tantivy.Query.all_query(), searcher.num_docs, count=False).hits
            return {_stored_id(searcher, address) for _, address in found}

    def close(self) -> None:
        """Release files."""
        if self._release is not None:
            self._release.cancel()
        self._close_writer()

    def _close_writer(self) -> None:
        with self._lock:
            writer, self._writer = self._writer, None
            if writer is not None:
                with _translated(self._path, _WRITING):
                    writer.wait_merging_threads()


def _stored_id(searcher: tantivy.Searcher, address: tantivy.DocAddress) -> str:
    return str(searcher.doc(address).get_first(_ID))
