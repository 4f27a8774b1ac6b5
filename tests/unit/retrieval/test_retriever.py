from contextlib import contextmanager, nullcontext
from dataclasses import replace

import numpy as np
import pytest

from retrieval.errors import CollectionNotFoundError, EmbedderMismatchError, Message, QuestionError
from retrieval.keyword.index import TantivyIndex
from retrieval.models import Chunk, Collection, Hit
from retrieval.retriever import Retriever, add_context
from retrieval.settings import RankingSettings

COLLECTION = Collection("vs_1", "制度", "none", 0, 0.0)
TEXTS = [
    ("c1", "d1", "休假规定", "员工入职满一年，每年享有十天年假。病假须提交证明。"),
    ("c2", "d2", "报销规定", "出差住宿费按标准报销，上限 1,750 元。"),
    ("c3", "d2", "报销规定", "交通費憑票據報銷。"),
    ("c4", "d3", "食堂通知", "食堂每天中午十一点半开放。"),
]


def make_chunk(chunk_id: str, document_id: str, title: str, text: str) -> Chunk:
    return Chunk(chunk_id, document_id, "v1", 0, title, f"{title}.md", text, 0, len(text))


CHUNKS = [make_chunk(*row) for row in TEXTS]


class FakeCatalog:
    """Collections and chunks in memory; whatever is in `dead` is not live."""

    def __init__(self, chunks=CHUNKS, collection=COLLECTION):
        self.chunks = {chunk.chunk_id: chunk for chunk in chunks}
        self.collection = collection
        self.dead = set()

    def get_collection(self, name_or_id):
        if name_or_id not in (self.collection.name, self.collection.collection_id):
            raise CollectionNotFoundError(Message("none", "没有"))
        return self.collection

    def n_changes(self, collection_id):
        return self.collection.n_changes

    def unchanging(self):
        return nullcontext()

    def live_chunks(self, collection_id, chunk_ids):
        return {i: self.chunks[i] for i in chunk_ids if i in self.chunks and i not in self.dead}

    def match_documents(self, collection_id, filters):
        return sorted(
            {c.document_id for c in self.chunks.values() if all(getattr(c, k) == v for k, v in filters.items())}
        )


class FakeVectors:
    """Gives fixed similarities, whatever the question; knows nothing of the chunks' text."""

    def __init__(self, similarities):
        self.similarities = similarities

    def search(self, collection_id, vector, *, top_k, document_ids=None):
        hits = sorted((Hit(i, s) for i, s in self.similarities.items()), key=lambda hit: (-hit.score, hit.chunk_id))
        return hits[:top_k]

    @contextmanager
    def searching(self, collection_id, vector, *, top_k, document_ids=None):
        yield lambda: self.search(collection_id, vector, top_k=top_k, document_ids=document_ids)


class FakeQuestionEmbedder:
    """Remembers what it embedded."""

    name = "fake"

    def __init__(self):
        self.questions = []

    def embed_question(self, text):
        self.questions.append(text)
        return np.array([1.0, 0.0], dtype=np.float32)


@pytest.fixture
def index(tmp_path):
    index = TantivyIndex(tmp_path)
    index.upsert("vs_1", CHUNKS)
    yield index
    index.close()


def keyword_retriever(index, catalog=None, **settings):
    return Retriever(catalog or FakeCatalog(), index, None, None, RankingSettings(**settings))


def ids(retrieval):
    return [hit.chunk.chunk_id for hit in retrieval.hits]


def test_retrieve_finds_the_chunk_with_its_evidence(index):
    found = keyword_retriever(index).retrieve(" 年假有多少天？ ", collection="制度")
    assert ids(found)[0] == "c1"
    assert found.question == "年假有多少天？"
    assert found.collection == "制度"
    assert found.hits[0].keyword is not None
    assert found.hits[0].similarity is None
    assert 0.6 < found.hits[0].coverage <= 1
    assert 0.6 < found.evidence.coverage <= 1
    assert found.evidence.keyword > 0
    assert found.evidence.keyword_mass > 0
    assert found.evidence.similarity is None
    assert found.evidence.agreement is None
    assert found.evidence.n_chunks == 4
    assert [hit.score for hit in found.hits] == sorted((hit.score for hit in found.hits), reverse=True)


@pytest.mark.parametrize("question", ["交通费凭票据报销", "交通費憑票據報銷", "交通费　凭票据报销"])
def test_retrieve_ignores_script_and_width(index, question):
    assert ids(keyword_retriever(index).retrieve(question, collection="vs_1"))[0] == "c3"


def test_retrieve_gives_nothing_when_nothing_matches(index):
    found = keyword_retriever(index).retrieve("火星", collection="制度")
    assert found.hits == ()
    assert found.evidence.coverage == 0
    assert found.evidence.n_chunks == 4


@pytest.mark.parametrize("question", ["？", "👍", "𠮷"])
def test_retrieve_gives_nothing_when_question_has_no_known_token(index, question):
    assert ids(keyword_retriever(index).retrieve(question, collection="制度")) == []


@pytest.mark.parametrize("question", ["", "  \n\u3000"])
def test_retrieve_refuses_when_question_is_empty(index, question):
    with pytest.raises(QuestionError) as caught:
        keyword_retriever(index).retrieve(question, collection="制度")
    assert str(caught.value) == "The question is empty. Ask something in a few words."
    assert caught.value.render("zh") == "问题是空的。请用几个字写出要问的内容。"


def test_retrieve_refuses_when_question_is_too_long(index):
    with pytest.raises(QuestionError) as caught:
        keyword_retriever(index).retrieve("长" * 100_000, collection="制度")
    assert str(caught.value) == (
        "The question has 100000 characters; at most 4000 can be asked. "
        "Shorten it, or ingest the long text as a document and ask about it."
    )


def test_retrieve_answers_when_question_is_long(index):
    question = "年假" + "".join(chr(code) for code in range(0x5000, 0x5000 + 3_900))
    assert "c1" in ids(keyword_retriever(index).retrieve(question, collection="制度"))


def test_retrieve_refuses_when_collection_has_another_embedder(index):
    catalog = FakeCatalog(collection=replace(COLLECTION, embedder="e5", dim=384))
    with pytest.raises(EmbedderMismatchError) as caught:
        keyword_retriever(index, catalog).retrieve("年假", collection="制度")
    assert str(caught.value) == (
        "Collection '制度' was built with embedder 'e5' (384 dims), got 'none'. "
        "Set HUOZI_EMBEDDER=e5, or delete the collection and ingest it again."
    )


def test_retrieve_refuses_when_collection_is_unknown(index):
    with pytest.raises(CollectionNotFoundError):
        keyword_retriever(index).retrieve("年假", collection="没有")


def test_retrieve_keeps_to_filters(index):
    found = keyword_retriever(index).retrieve("年假报销", collection="制度", filters={"title": "报销规定"})
    assert set(ids(found)) == {"c2", "c3"}
    assert ids(keyword_retriever(index).retrieve("年假", collection="制度", filters={"title": "没有"})) == []


def test_retrieve_drops_what_is_not_live(index):
    catalog = FakeCatalog()
    catalog.dead = {"c1"}
    assert "c1" not in ids(keyword_retriever(index, catalog).retrieve("员工年假", collection="制度"))


def test_retrieve_looks_deeper_when_much_is_dropped(tmp_path):
    index = TantivyIndex(tmp_path)
    chunks = [make_chunk(f"c{n:03}", "d1", "制度", f"年假第{n}条：" + chr(0x5000 + n) * 9) for n in range(120)]
    index.upsert("vs_1", chunks)
    catalog = FakeCatalog(chunks)
    catalog.dead = {chunk.chunk_id for chunk in chunks[:100]}
    found = keyword_retriever(index, catalog, fetch_k=10, rerank_k=5).retrieve("年假", collection="制度", top_k=3)
    assert len(found.hits) == 3
    assert all(hit.chunk.chunk_id >= "c100" for hit in found.hits)
    index.close()


def test_retrieve_leaves_out_near_duplicates(tmp_path):
    index = TantivyIndex(tmp_path)
    text = TEXTS[0][3] * 3
    chunks = [*CHUNKS, make_chunk("c0", "d9", "旧版", text), make_chunk("c9", "d8", "旧版", text[:-1] + "！")]
    index.upsert("vs_1", chunks)
    found = keyword_retriever(index, FakeCatalog(chunks)).retrieve("旧版年假", collection="制度")
    assert len({"c0", "c9"} & set(ids(found))) == 1
    index.close()


def test_retrieve_fuses_both_lists(index):
    embedder = FakeQuestionEmbedder()
    catalog = FakeCatalog(collection=replace(COLLECTION, embedder="fake", dim=2))
    vectors = FakeVectors({"c4": 0.95, "c2": 0.8, "c1": 0.78})
    retriever = Retriever(catalog, index, vectors, embedder, RankingSettings())  # type: ignore[arg-type]
    found = retriever.retrieve("午饭几点开始", collection="制度")
    assert ids(found)[0] == "c4"
    assert found.hits[0].similarity == 0.95
    assert found.evidence.similarity == 0.95
    assert found.evidence.agreement is not None
    assert embedder.questions == ["午饭几点开始"]


def test_retrieve_uses_context_when_question_leans_on_it(index):
    retriever = keyword_retriever(index)
    assert ids(retriever.retrieve("那上限呢", collection="制度", context=("住宿费怎么报销",)))[0] == "c2"
    assert ids(retriever.retrieve("食堂几点开放", collection="制度", context=("住宿费怎么报销",)))[0] == "c4"


def test_add_context_weighs_older_questions_less():
    weights = add_context({"年": 1.0}, ("假", "天"), 0.5)
    assert weights == {"年": 1.0, "假": 0.5, "天": 0.25}
