"""A folder that is written, copied, renamed and deleted in, and synced now and then, agrees with a plain dict."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from ingest import Ingestor
from retrieval.data_folder import DataFolder
from retrieval.doctor import check
from tests import stores

NAMES = ["甲.txt", "乙.txt", "子/甲.txt", "子/丙.txt", "深/子/𠮷.txt", "甲.md", "子/乙.md"]
TEXTS = ["员工每年有五天年假。", "# 报销\n\n差旅报销须在十五日内提交。", "進出大樓須登記。", "Python 3.11 指南 😀。"]
NAME = st.sampled_from(NAMES)


class SyncMachine(RuleBasedStateMachine):
    """`disk` is what lies in the folder, `kept` what the collection holds beside it: files that are gone."""

    def __init__(self) -> None:
        super().__init__()
        self.home = tempfile.TemporaryDirectory()
        self.root = Path(self.home.name) / "文件"
        self.folder = DataFolder.open(stores.settings(Path(self.home.name) / "data"), purpose="test")
        self.disk: dict[str, str] = {}
        self.stored: dict[str, str] = {}
        self.ids: dict[str, str] = {}

    @initialize()
    def start(self) -> None:
        self.root.mkdir()
        self.write("甲.txt", TEXTS[0])

    @rule(name=NAME, text=st.sampled_from(TEXTS))
    def write(self, name: str, text: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text, "utf-8")
        self.disk[name] = text

    @rule(source=NAME, to=NAME)
    def copy(self, source: str, to: str) -> None:
        if source in self.disk:
            self.write(to, self.disk[source])

    @rule(source=NAME, to=NAME)
    def move(self, source: str, to: str) -> None:
        if source in self.disk and source != to:
            self.write(to, self.disk[source])
            self.delete(source)

    @rule(name=NAME)
    def delete(self, name: str) -> None:
        if len(self.disk) > 1 and self.disk.pop(name, None) is not None:
            (self.root / name).unlink()

    @rule()
    def empty_folders_go(self) -> None:
        for folder in (self.root / "深", self.root / "子"):
            if folder.exists() and not any(path.is_file() for path in folder.rglob("*")):
                shutil.rmtree(folder)

    @rule(delete_missing=st.booleans())
    def sync(self, delete_missing: bool) -> None:
        report = Ingestor(self.folder).ingest([self.root], delete_missing=delete_missing)

        found = {self._name(one.source): one for one in self.folder.catalog.list_documents(self.collection_id)}
        texts = {name: self.folder.catalog.document_text(one.document_id) for name, one in found.items()}
        gone = {name: text for name, text in self.stored.items() if name not in self.disk}
        new = {name: text for name, text in self.disk.items() if name not in self.stored}
        moved = sum(min(list(new.values()).count(text), list(gone.values()).count(text)) for text in set(new.values()))
        changed = {name for name, text in self.disk.items() if self.stored.get(name, text) != text}

        # Every file is there as it is on disk, whatever was copied or renamed; nothing else but what is gone.
        assert {name for name in found if name in self.disk} == set(self.disk)
        for name, text in self.disk.items():
            assert texts[name].text == plain(name, text)
            assert texts[name].title == ("报销" if text.startswith("#") and name.endswith(".md") else Path(name).stem)
        left = {name for name in found if name not in self.disk}
        assert left <= set(gone) and len(left) == (0 if delete_missing else len(gone) - moved)
        # A document keeps its id under its name, and each id is one document.
        assert all(found[name].document_id == self.ids[name] for name in found if name in self.stored)
        came = [found[name].document_id for name in new if found[name].document_id in {self.ids[one] for one in gone}]
        assert len(came) == moved
        # Files that came with another suffix are parsed again, under the id that they had.
        n_parsed_again = moved - report.moved
        assert 0 <= n_parsed_again <= moved
        assert (report.added, report.updated, report.failed) == (len(new) - moved, len(changed) + n_parsed_again, [])
        assert report.skipped == len(self.disk) - len(new) - len(changed)
        assert report.deleted == (len(gone) - moved if delete_missing else 0)
        assert check(self.folder).problems == ()
        self.stored = {name: self.disk.get(name, gone.get(name, "")) for name in found}
        self.ids = {name: one.document_id for name, one in found.items()}

    @property
    def collection_id(self) -> str:
        return self.folder.catalog.get_collection("default").collection_id

    def _name(self, source: str) -> str:
        return source.removeprefix(f"{self.root.name}/")

    def teardown(self) -> None:
        self.sync(delete_missing=True)
        self.folder.close()
        self.home.cleanup()


def plain(name: str, text: str) -> str:
    """Return the text as its loader gives it."""
    return text.removeprefix("# ").replace("\n\n", "\n") if name.endswith(".md") else text


TestSync = pytest.mark.slow(SyncMachine.TestCase)
TestSync.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
