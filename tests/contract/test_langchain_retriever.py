"""LangChain's own suite for retrievers, on real Chroma and real tantivy."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_tests.integration_tests import RetrieversIntegrationTests

from ingest import Ingestor, TextRecord
from retrieval import HybridRetriever
from retrieval.errors import CollectionNotFoundError
from tests.stores import FAKE, open_folder


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    path = tmp_path_factory.mktemp("retriever") / "data"
    with open_folder(path) as folder:
        subjects = ("年假", "病假", "报销", "加班", "考勤", "培训")
        records = [
            TextRecord(f"d{i}", f"{s}规定", f"公司关于{s}的规定：{s}须提前申请。") for i, s in enumerate(subjects)
        ]
        Ingestor(folder).ingest_records(records)
        yield path


@pytest.fixture(autouse=True)
def _environment(data_dir, monkeypatch):
    assert FAKE.dim
    monkeypatch.setenv("HUOZI_DATA_DIR", str(data_dir))
    monkeypatch.setenv("HUOZI_EMBEDDER", "fake")


class TestHybridRetriever(RetrieversIntegrationTests):
    @property
    def retriever_constructor(self) -> type[HybridRetriever]:
        return HybridRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"collection": "default", "k": 3}

    @property
    def retriever_query_example(self) -> str:
        return "公司规定如何申请"


def test_documents_carry_every_field_of_a_hit():
    documents = HybridRetriever(k=6).invoke("病假怎么请")
    (document,) = [found for found in documents if found.metadata["source"] == "d1"]
    assert isinstance(document, Document)
    metadata = document.metadata
    assert metadata["title"] == "病假规定" and metadata["source"] == "d1" and metadata["page"] is None
    assert set(metadata) >= {"chunk_id", "document_id", "title", "source", "page", "heading", "start", "end", "score"}
    assert document.page_content == "公司关于病假的规定：病假须提前申请。"


def test_filters_keep_to_what_they_say():
    found = HybridRetriever(k=5, filters={"title": "报销规定"}).invoke("年假怎么申请")
    assert [document.metadata["source"] for document in found] == ["d2"]


def test_unknown_collection_is_named():
    with pytest.raises(CollectionNotFoundError, match="There is no collection '没有'"):
        HybridRetriever(collection="没有").invoke("年假")


def test_retriever_that_opened_the_folder_gives_it_back(tmp_path):
    code = "import sys, pathlib, retrieval.owner as o; o.OwnerLock(pathlib.Path(sys.argv[1]), purpose='x')"
    command = [sys.executable, "-c", code, str(tmp_path / "data")]
    root = Path(__file__).parents[2]
    retriever = HybridRetriever(data_dir=tmp_path / "data")
    assert "DataFolderOwnedError" in subprocess.run(command, cwd=root, capture_output=True, text=True).stderr
    retriever.close()
    assert subprocess.run(command, cwd=root, capture_output=True).returncode == 0
