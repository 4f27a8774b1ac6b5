from __future__ import annotations

from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.serving import download as downloads
from assistant.serving.download import Progress, check_space, choose, download, repo_of
from assistant.serving.errors import DiskSpaceError, DownloadError, ModelFilesError
from assistant.serving.hubs import RemoteFile, open_hub
from assistant.serving.profile import load_profile
from assistant.serving.weights import Weights
from retrieval.errors import MissingExtraError
from tests.hub_server import HubServer
from tests.servers import free_url
from tests.unit.assistant.serving import tiny_checkpoint

HUOZI = load_profile("huozi3.5")
BF16 = replace(HUOZI.formats[0], weights_gb=1e-6)
GGUF = load_profile("huozi3-gguf")
REPO = "HIT-SCIR/huozi3.5"
HUBS = ["huggingface", "modelscope"]
Disk = namedtuple("Disk", "total used free")


def fetch(hub: HubServer, source: str, folder: Path) -> Weights:
    return download(HUOZI, BF16, REPO, open_hub(source, hub.root_url), folder)


@pytest.mark.parametrize("source", HUBS)
def test_all_that_is_needed_comes_when_the_hub_has_more(source: str, tmp_path: Path):
    files = tiny_checkpoint.files() | {"pytorch_model.bin": b"old", "original/consolidated.pth": b"x", "a.png": b"x"}
    seen: list[Progress] = []
    with HubServer(REPO, files) as hub:
        found = download(HUOZI, BF16, REPO, open_hub(source, hub.root_url), tmp_path / "模型", report=seen.append)

    visible = {path.name for path in found.path.iterdir() if not path.name.startswith(".")}
    assert visible == tiny_checkpoint.files().keys()
    total = sum(map(len, tiny_checkpoint.files().values()))
    assert seen[-1] == Progress("verify", total, total)


@pytest.mark.parametrize("source", HUBS)
def test_it_goes_on_where_it_broke_off_when_the_connection_is_cut(source: str, tmp_path: Path):
    # The libraries write what they receive in blocks of 10 MB and less.
    weights = tiny_checkpoint.safetensors(24 << 20)
    files = tiny_checkpoint.files() | {"model.safetensors": weights}
    with HubServer(REPO, files, break_after={"model.safetensors": 16 << 20}) as hub:
        found = fetch(hub, source, tmp_path)

    first, second = hub.gets("model.safetensors")
    assert hub.broken == ["model.safetensors"]
    assert first is None and second is not None
    assert 0 < int(second.removeprefix("bytes=").partition("-")[0]) <= 16 << 20
    assert (found.path / "model.safetensors").read_bytes() == weights


@pytest.mark.parametrize("source", HUBS)
def test_nothing_is_fetched_again_when_all_is_there(source: str, tmp_path: Path):
    with HubServer(REPO, tiny_checkpoint.files()) as hub:
        fetch(hub, source, tmp_path)
        hub.asked.clear()
        fetch(hub, source, tmp_path)

        assert hub.gets("model.safetensors") == []


@pytest.mark.parametrize("source", HUBS)
def test_a_file_is_refused_when_its_content_is_not_what_the_hub_promised(source: str, tmp_path: Path):
    with HubServer(REPO, tiny_checkpoint.files()) as hub:
        hub.promised["model.safetensors"] = "0" * 64
        with pytest.raises(DownloadError):
            fetch(hub, source, tmp_path)

    assert not (tmp_path / "model.safetensors").exists()


def test_a_damaged_file_is_named_and_fetched_alone_when_it_is_damaged_later(tmp_path: Path):
    with HubServer(REPO, tiny_checkpoint.files()) as hub:
        fetch(hub, "huggingface", tmp_path)
        data = bytearray((tmp_path / "model.safetensors").read_bytes())
        data[-1] ^= 1
        (tmp_path / "model.safetensors").write_bytes(data)
        with pytest.raises(DownloadError) as caught:
            fetch(hub, "huggingface", tmp_path)
        hub.asked.clear()
        fetch(hub, "huggingface", tmp_path)

        assert caught.value.render("en") == (
            "'model.safetensors' of 'HIT-SCIR/huozi3.5' is not what the hub promised: its size or SHA-256 differs."
            " Run the command again: this file alone is fetched anew."
        )
        assert len(hub.gets("model.safetensors")) == 1 and hub.gets("tokenizer.json") == []


@pytest.mark.parametrize("source", HUBS)
def test_the_repository_is_named_when_the_hub_has_it_not(source: str, tmp_path: Path):
    with HubServer("somebody/else", {}) as hub, pytest.raises(DownloadError) as caught:
        fetch(hub, source, tmp_path)

    assert "'HIT-SCIR/huozi3.5': there is no such repository, or it is not open to you" in caught.value.render("en")


def test_a_mirror_is_proposed_when_hugging_face_does_not_answer(tmp_path: Path):
    hub = open_hub("huggingface", free_url().removesuffix("/v1"))
    with pytest.raises(DownloadError) as caught:
        download(HUOZI, BF16, REPO, hub, tmp_path)

    assert "no connection (ConnectError)" in caught.value.render("en")
    assert "：无法连接（ConnectError）。" in caught.value.render("zh")
    assert "HF_ENDPOINT" in caught.value.render("zh")
    assert caught.value.retryable


def test_the_extra_is_named_when_modelscope_is_not_installed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "modelscope_hub", None)
    with pytest.raises(MissingExtraError) as caught:
        open_hub("modelscope")

    assert "pip install 'huozi-assistant[modelscope]'" in caught.value.render("zh")


def test_no_byte_is_asked_for_when_the_disk_is_too_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _path: Disk(100e9, 60e9, 40e9))
    with HubServer(REPO, tiny_checkpoint.files()) as hub, pytest.raises(DiskSpaceError) as caught:
        download(HUOZI, HUOZI.formats[0], REPO, open_hub("huggingface", hub.root_url), tmp_path / "m")

    assert hub.asked == []
    assert caught.value.render("en") == (
        f"HIT-SCIR/huozi3.5 needs 94.5 GB on the disk of {str(tmp_path / 'm')!r}, which has 40.0 GB left."
        " Make room, give another folder (--models-dir), or a smaller --format."
    )
    assert not caught.value.retryable


def test_what_is_there_already_needs_no_room_when_a_download_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _path: Disk(100e9, 98.8e9, 1.2e9))
    (tmp_path / "model-00001.safetensors").write_bytes(bytes(3_000_000))
    form = replace(HUOZI.formats[0], weights_gb=0.128)
    with HubServer(REPO, tiny_checkpoint.files()) as hub:
        assert download(HUOZI, form, REPO, open_hub("huggingface", hub.root_url), tmp_path).form == "checkpoint"

    with pytest.raises(DiskSpaceError):
        check_space(tmp_path, round(0.128e9), REPO)


def test_the_file_of_the_form_is_chosen_when_a_repository_holds_several():
    remote = [RemoteFile(name, 1) for name in ("huozi3-q4_0.gguf", "huozi3-q2_k.gguf", "README.md", "logo.png")]

    assert [one.path for one in choose(remote, GGUF.format("q2_k"))] == ["README.md", "huozi3-q2_k.gguf"]
    unnamed = replace(GGUF.format("q2_k"), file=None)
    assert [one.path for one in choose(remote, unnamed)] == ["README.md", "huozi3-q2_k.gguf"]


def test_bin_weights_are_chosen_when_there_are_no_safetensors():
    remote = [RemoteFile(name, 1) for name in ("pytorch_model-1.bin", "pytorch_model.bin.index.json", "optimizer.bin")]

    assert [one.path for one in choose(remote, BF16)] == ["pytorch_model-1.bin", "pytorch_model.bin.index.json"]


def test_a_repository_without_weights_is_refused_when_it_is_listed(tmp_path: Path):
    with HubServer(REPO, {"README.md": b"x"}) as hub, pytest.raises(ModelFilesError) as caught:
        fetch(hub, "huggingface", tmp_path)

    assert "'HIT-SCIR/huozi3.5' holds no weights in bf16." in caught.value.render("en")


def test_the_other_hub_is_named_when_a_model_is_not_on_this_one():
    profile = load_profile("huozi-7b-sft")
    with pytest.raises(DownloadError) as caught:
        repo_of(profile, profile.formats[0], "modelscope")

    assert caught.value.render("en") == (
        "huozi-7b-sft in fp16 is not published on modelscope. Use --source huggingface, or --source PATH."
    )


def test_conversion_is_proposed_when_a_form_is_not_published():
    with pytest.raises(DownloadError) as caught:
        repo_of(HUOZI, HUOZI.format("q4_0"), "huggingface")

    assert "Make it: `huozi model convert`" in caught.value.render("en")
