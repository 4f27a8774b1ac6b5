from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from retrieval.embedders import default_embedder
from retrieval.embedders.e5 import E5Embedder
from retrieval.errors import EmbedderError

pytestmark = pytest.mark.skipif(default_embedder() == "none", reason="the weights of e5 are not installed")

TEXTS = [f"第{n}条 员工年假为{n}天。" * (n % 5 + 1) for n in range(24)]


@pytest.fixture(scope="module")
def embedder() -> E5Embedder:
    return E5Embedder()


def test_nothing_is_loaded_when_only_constructed() -> None:
    embedder = E5Embedder()
    assert (embedder.name, embedder.dim) == ("e5", 384)
    assert embedder._model is None


def test_vector_is_the_same_when_texts_around_it_differ(embedder: E5Embedder) -> None:
    together = embedder.embed_batch(TEXTS)
    alone = np.concatenate([embedder.embed_batch([text]) for text in TEXTS])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(embedder.embed_batch(TEXTS[::-1]), together[::-1])


def test_vectors_are_the_same_when_the_number_of_threads_differs(embedder: E5Embedder) -> None:
    np.testing.assert_array_equal(E5Embedder(threads=1).embed_batch(TEXTS[:6]), embedder.embed_batch(TEXTS[:6]))


def test_vectors_are_the_same_when_called_from_several_threads() -> None:
    embedder = E5Embedder()  # fresh, so that the threads race for the loading too
    with ThreadPoolExecutor(4) as pool:
        batches = [pool.submit(embedder.embed_batch, TEXTS) for _ in range(3)]
        questions = [pool.submit(embedder.embed_question, "年假有多少天") for _ in range(8)]
    for batch in batches:
        np.testing.assert_array_equal(batch.result(), batches[0].result())
    for question in questions:
        np.testing.assert_array_equal(question.result(), embedder.embed_question("年假有多少天"))


def test_question_and_passage_differ_when_the_text_is_the_same(embedder: E5Embedder) -> None:
    question, passage = embedder.embed_question("年假"), embedder.embed_batch(["年假"])[0]
    assert 0.5 < float(question @ passage) < 0.999


@pytest.mark.parametrize(
    ("question", "answer", "other"),
    [
        ("年假有多少天", "员工入职满一年后，每年可休十日带薪假期。", "公司食堂每日供应三餐。"),
        ("how long is the warranty", "本产品自交付之日起保修二十四个月。", "发票须在当月报销。"),
        ("有給休暇は何日ですか", "The company grants ten days of paid leave a year.", "The printer is on floor 3."),
    ],
)
def test_answer_is_nearer_when_words_or_language_differ(
    embedder: E5Embedder, question: str, answer: str, other: str
) -> None:
    near, far = embedder.embed_batch([answer, other]) @ embedder.embed_question(question)
    assert near > far + 0.02


def test_text_beyond_the_window_changes_nothing_when_very_long(embedder: E5Embedder) -> None:
    long = "保修期为二十四个月，自交付之日起计算。" * 600
    np.testing.assert_array_equal(embedder.embed_batch([long]), embedder.embed_batch([long + "无关的结尾"]))


def test_error_says_why_when_weights_are_broken(tmp_path: Path) -> None:
    path = tmp_path / "e5-small-q4.bin"
    path.write_bytes(b"not weights")
    with pytest.raises(EmbedderError, match=r"^Weights '.*e5-small-q4\.bin' cannot be read: it starts with b'not '"):
        E5Embedder(path)
