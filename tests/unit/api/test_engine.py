from __future__ import annotations

import threading
from pathlib import Path

import pytest

from api import engine as engines
from api.engine import open_engine
from api.local_engine import LocalEngine
from api.remote_engine import RemoteEngine
from api.settings import Settings
from retrieval.errors import DataFolderOwnedError
from retrieval.owner import OwnerLock


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, embedder="none")


def test_the_folder_is_opened_here_when_nobody_owns_it(settings: Settings) -> None:
    with open_engine(settings, purpose="test") as engine:
        assert isinstance(engine, LocalEngine)
        assert engine.list_collections() == []


def test_the_owner_is_asked_when_it_is_a_service(settings: Settings, tmp_path: Path) -> None:
    lock = OwnerLock(tmp_path, purpose="serve", url="http://127.0.0.1:9")
    try:
        with open_engine(settings, purpose="test") as engine:
            assert isinstance(engine, RemoteEngine)
    finally:
        lock.release()


def test_another_command_is_waited_for_when_it_ends_soon(settings: Settings, tmp_path: Path) -> None:
    lock = OwnerLock(tmp_path, purpose="search")
    timer = threading.Timer(0.3, lock.release)
    timer.start()

    with open_engine(settings, purpose="test") as engine:
        assert isinstance(engine, LocalEngine)
    timer.join()


def test_the_owner_is_named_when_it_goes_on(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "PATIENCE_S", 0)
    lock = OwnerLock(tmp_path, purpose="chat")
    try:
        with pytest.raises(DataFolderOwnedError, match=r"in use by process \d+ \(huozi chat\)"):
            open_engine(settings, purpose="test")
    finally:
        lock.release()
