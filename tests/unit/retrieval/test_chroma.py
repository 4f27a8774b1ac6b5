import numpy as np
import pytest

from retrieval.chroma import ChromaStore
from retrieval.errors import VectorStoreError
from tests.contract.test_vector_store import DIM, chunks


def test_search_fails_at_once_until_a_write_succeeds_when_one_has_failed(tmp_path, monkeypatch):
    from chromadb import Collection
    from chromadb.errors import InternalError

    def full(self, **what):
        raise InternalError("database or disk is full")

    vectors = np.eye(DIM, dtype=np.float32)
    store = ChromaStore(tmp_path / "chroma")
    store.upsert("vs_1", chunks(2), vectors[:2])
    with monkeypatch.context() as patched:
        patched.setattr(Collection, "upsert", full)
        with pytest.raises(VectorStoreError, match="disk is full"):
            store.upsert("vs_1", chunks(3), vectors[:3])

    with pytest.raises(VectorStoreError, match="its last write failed"):
        store.search("vs_1", vectors[0], top_k=2)
    store.upsert("vs_1", chunks(3), vectors[:3])
    assert [hit.chunk_id for hit in store.search("vs_1", vectors[2], top_k=1)] == ["cfile-12"]
    store.close()
