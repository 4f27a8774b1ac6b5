"""Sequences of adds, replacements, deletions and reopenings agree with a plain dict."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ingest import Ingestor, TextRecord
from retrieval.data_folder import DataFolder
from retrieval.doctor import check
from tests import stores

SOURCES = st.sampled_from(["甲", "乙", "丙", "𠮷"])
WORDS = st.sampled_from(["年假五天", "病假十天", "報銷標準", "ＡＢＣ制度", "emoji🙂说明", "Python 3.11 指南"])


class DataFolderMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.home = tempfile.TemporaryDirectory()
        self.settings = stores.settings(Path(self.home.name) / "data")
        self.folder = DataFolder.open(self.settings, purpose="test")
        self.folder.collection("默认", create=True)
        self.expected: dict[str, str] = {}

    @rule(source=SOURCES, words=WORDS, times=st.integers(1, 90))
    def put(self, source: str, words: str, times: int) -> None:
        text = f"{words}，第{times}版。" * times
        report = Ingestor(self.folder).ingest_records([TextRecord(source, f"文{source}", text)], "默认")
        before = self.expected.get(source)
        assert (report.added, report.updated, report.skipped) == (
            before is None,
            before not in (None, text),
            before == text,
        )
        self.expected[source] = text

    @rule(source=SOURCES)
    def delete(self, source: str) -> None:
        for document in self.folder.catalog.list_documents(self.collection_id):
            if document.source == source:
                self.folder.delete_document(document.document_id)
        self.expected.pop(source, None)

    @rule()
    def reopen(self) -> None:
        self.folder.close()
        self.folder = DataFolder.open(self.settings, purpose="test")

    @property
    def collection_id(self) -> str:
        return self.folder.catalog.get_collection("默认").collection_id

    @invariant()
    def agrees(self) -> None:
        stored = self.folder.catalog.list_documents(self.collection_id)
        assert {d.source: self.folder.catalog.document_text(d.document_id).text for d in stored} == self.expected
        for source, text in self.expected.items():
            hits = self.folder.retriever.retrieve(text[:30], collection="默认", top_k=50).hits
            assert all(hit.chunk.text in self.expected[hit.chunk.source] for hit in hits)
            # Another document that says nearly the same may stand for it: near copies are shown once.
            alike = {other for other, one in self.expected.items() if one.startswith(text.partition("第")[0])}
            assert alike & {hit.chunk.source for hit in hits}, source
        assert check(self.folder).problems == ()

    def teardown(self) -> None:
        self.folder.close()
        self.home.cleanup()


TestDataFolder = pytest.mark.slow(DataFolderMachine.TestCase)
TestDataFolder.settings = settings(
    max_examples=12, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)
