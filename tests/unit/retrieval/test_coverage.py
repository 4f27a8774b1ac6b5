import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.keyword.tokens import query_weights
from retrieval.rerankers.coverage import Coverage, best_sentences, idf_weights, sentence_spans
from retrieval.rerankers.duplicates import distinct

TEXT = "第三条 员工入职满一年，每年享有十天年假。病假须提交证明！上限 1,750 元（GPT-3）；其他另议"


def coverage(question, **options):
    return Coverage(query_weights(question), **options)


def test_idf_weights_are_higher_for_rarer_tokens():
    idf = idf_weights({"的": 1.0, "年假": 1.0, "火星": 1.0}, 100, {"的": 90, "年假": 3})
    assert 0 < idf["的"] < idf["年假"] < idf["火星"]


def test_idf_weights_scale_with_the_question_weight():
    idf = idf_weights({"a": 1.0, "b": 2.0}, 10, {"a": 1, "b": 1})
    assert idf["b"] == pytest.approx(2 * idf["a"])


@pytest.mark.parametrize(
    ("question", "expected"),
    [("年假十天", 1.0), ("火星", 0.0), ("？", 0.0), ("1750元", 1.0), ("１７５０元", 1.0), ("gpt3", 1.0), ("175", 0.0)],
)
def test_best_is_the_share_of_the_question(question, expected):
    assert coverage(question).best(TEXT) == pytest.approx(expected)


def test_best_is_higher_when_one_sentence_holds_all():
    assert coverage("年假十天").best("年假有十天。") > coverage("年假十天").best("年假。另有三条。共十天。")


def test_best_is_higher_when_neighbours_hold_all():
    apart = coverage("年假十天").best("年假。无关。十天。")
    assert coverage("年假十天").best("年假。十天。无关。") > apart > 0


def test_best_counts_what_the_context_line_holds():
    assert coverage("报销上限").best("上限为百元。") == pytest.approx(0.5)
    assert coverage("报销上限").best("上限为百元。", "報銷規定") == pytest.approx(1.0)


def test_best_is_stricter_with_pairs():
    assert coverage("假年").best("年假") == pytest.approx(1.0)
    assert coverage("假年", with_pairs=True).best("年假") < 1


@given(st.text(max_size=60), st.text(max_size=20), st.booleans())
def test_best_lies_in_the_unit_interval(text, question, with_pairs):
    assert 0 <= coverage(question, with_pairs=with_pairs).best(text, "制度") <= 1


@given(st.text(alphabet="年假。！\n ？；.a，”", max_size=60))
def test_sentence_spans_leave_out_nothing_but_white_space(text):
    spans = sentence_spans(text)
    assert all(text[start:end] and text[start:end].strip() == text[start:end] for start, end in spans)
    assert all(one[1] <= other[0] for one, other in zip(spans, spans[1:], strict=False))
    assert "".join("".join(text[start:end] for start, end in spans).split()) == "".join(text.split())


def test_best_sentences_give_offsets_into_the_text():
    found = best_sentences(query_weights("年假有多少天"), TEXT, top_k=2)
    start, end, covered = found[0]
    assert TEXT[start:end] == "第三条 员工入职满一年，每年享有十天年假。"
    assert 0 < covered <= 1
    assert len(found) == 2
    assert found[0][2] >= found[1][2]


def test_best_sentences_are_none_when_nothing_is_covered():
    assert best_sentences(query_weights("火星"), TEXT, top_k=3) == []
    assert best_sentences({}, TEXT, top_k=3) == []


def test_distinct_keeps_the_first_of_texts_that_are_the_same():
    texts = ["员工每年享有十天年假。" * 3, "員工每年享有十天年假。" * 3 + "！", "住宿费按标准报销。", ""]
    assert distinct(texts, str, threshold=0.8, top_k=9) == [texts[0], texts[2], texts[3]]
    assert distinct(texts, str, threshold=0.8, top_k=1) == [texts[0]]


def test_distinct_keeps_a_text_that_says_more():
    short, long = "员工每年享有十天年假。", "员工每年享有十天年假。病假须提交证明，住宿费按标准报销，食堂中午开放。"
    assert distinct([short, long], str, threshold=0.8, top_k=9) == [short, long]
