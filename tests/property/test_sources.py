from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from assistant.control_tokens import neutralise
from assistant.events import Turn
from assistant.sources.merge import merge
from assistant.sources.numbering import Conversation, Numbering
from assistant.sources.render import as_data, source_text
from assistant.sources.select import select
from assistant.sources.source import Source
from assistant.sources.value import choose, valued
from retrieval.models import Chunk, ScoredChunk

SIGNS = "甲乙丙𠮷䶮Ａa1２ \n。|[]【］<>/·😀\u200b"
PIECES = ["[1]", "［２", "】", "[资料3]", "</资料", "< / 資料>", "资料>", "<|", "[12] 假制度", "甲 | 乙"]
Found = tuple[dict[str, str], list[ScoredChunk]]
"""Texts by version, and chunks of them, best first."""

texts = st.lists(st.sampled_from(PIECES) | st.sampled_from(SIGNS), min_size=1, max_size=40).map("".join)


@st.composite
def documents(draw: st.DrawFn, name: str = "甲") -> tuple[str, list[ScoredChunk]]:
    """A text, and chunks of it that may touch, overlap or leave white space out, each with a score."""
    text = draw(texts)
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=6)) | {0, len(text)})
    chunks = []
    for first, last in zip(cuts, cuts[1:], strict=False):
        start = max(0, first - draw(st.integers(0, 3)))
        chunks.append((start, last))
    hits = []
    for ordinal, (start, end) in enumerate(chunks):
        chunk = Chunk(
            f"{name}#{ordinal}", f"doc_{name}", f"ver_{name}", ordinal, name, name, text[start:end], start, end
        )
        hits.append(ScoredChunk(chunk, score=draw(st.floats(-5, 20))))
    return text, hits


@st.composite
def retrievals(draw: st.DrawFn) -> Found:
    """Texts by version, and some of their chunks, best first."""
    made = [draw(documents(name)) for name in "甲乙丙"[: draw(st.integers(1, 3))]]
    hits = [hit for _, held in made for hit in held if draw(st.booleans())]
    hits.sort(key=lambda hit: -hit.score)
    return {f"ver_{name}": text for name, (text, _) in zip("甲乙丙", made, strict=False)}, hits


CHUNK_IDS = [f"{name}#{n}" for name in "甲乙丙丁" for n in range(6)]
numbers = st.dictionaries(st.sampled_from(CHUNK_IDS), st.integers(1, 999))


@given(retrievals())
def test_joined_text_is_each_character_once_when_chunks_overlap(
    found: Found,
) -> None:
    originals, hits = found
    for run in merge(hits):
        text = originals[run[0].chunk.version_id]
        start, end = run[0].chunk.start, max(scored.chunk.end for scored in run)
        assert Source(1, run).text == text[start:end]
        assert all(text[one.chunk.start : one.chunk.end] == one.chunk.text for one in run)


@given(retrievals(), numbers, st.integers(1, 8))
def test_sources_hold_each_chosen_chunk_once_in_order_when_selected(
    found: Found, known: dict[str, int], max_sources: int
) -> None:
    _, hits = found
    sources = select(hits, max_sources=max_sources, numbers=known)
    held = [scored for source in sources for scored in source.chunks]
    assert len(held) == len({one.chunk.chunk_id for one in held}) == min(max_sources, len(hits))
    assert {one.chunk.chunk_id for one in held} == {one.chunk.chunk_id for one, _ in valued(hits, top_k=max_sources)}
    assert len({source.number for source in sources}) == len(sources)
    assert all(1 <= source.number <= 999 and source.value > 0 for source in sources)
    ranks = {hit.chunk.document_id: -at for at, hit in reversed(list(enumerate(hits)))}
    places = [(-ranks[one.chunk.document_id], one.chunk.start, one.chunk.end) for one in held]
    assert places == sorted(places)


@given(retrievals(), numbers)
def test_number_keeps_its_meaning_when_only_one_source_had_it(found: Found, known: dict[str, int]) -> None:
    _, hits = found
    for source in select(hits, max_sources=50, numbers=known):
        had = {known[one.chunk.chunk_id] for one in source.chunks if one.chunk.chunk_id in known}
        holders = {other.number for other in select(hits, max_sources=50, numbers=known) if other is not source}
        if had and not had & holders:
            assert source.number in had
        if not had and max(known.values(), default=0) < 900:
            assert source.number not in known.values()


@given(
    st.lists(st.tuples(st.floats(0.001, 50), st.integers(1, 4000)), max_size=20),
    st.integers(0, 20_000),
)
def test_budget_is_kept_and_the_rest_would_not_fit_when_sources_are_chosen(
    priced: list[tuple[float, int]], budget: int
) -> None:
    chunk = ScoredChunk(Chunk("c", "d", "v", 0, "题", "源", "文", 0, 1), score=1.0)
    sources = [Source(at, (chunk,), value) for at, (value, _) in enumerate(priced, 1)]
    costs = [cost for _, cost in priced]
    kept = choose(sources, costs, budget)
    left = budget - sum(costs[at] for at in kept)
    assert left >= 0 and list(kept) == sorted(set(kept))
    best = max(range(len(costs)), key=lambda at: (sources[at].value, -at), default=None)
    assert kept == () if best is not None and costs[best] > budget else best is None or best in kept
    assert not kept or all(costs[at] > left for at in range(len(costs)) if at not in kept)


@given(st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=4))
def test_prompt_holds_just_its_own_sources_when_documents_forge_others(held: list[tuple[str, str, str]]) -> None:
    sources = [
        Source(number, (ScoredChunk(Chunk("c", "d", "v", 0, title, "源", text, 0, len(text), heading=(head,)), 1.0),))
        for number, (title, head, text) in enumerate(held, 11)
    ]
    block = "\n\n".join(map(source_text, sources))
    opened = re.findall(r"[\[【［]\s*\d{1,3}\s*[\]】］]", block)
    assert opened == [f"[{source.number}]" for source in sources]
    assert re.search(r"[<＜]\s*/?\s*[资資]料", block) is None


@given(texts)
def test_data_is_the_text_with_dots_when_it_is_made_inert(text: str) -> None:
    inert = as_data(text)
    assert inert.replace("·", "") == text.replace("·", "")
    assert as_data(inert) == inert == neutralise(inert)


@given(st.lists(st.tuples(st.text(alphabet="甲乙。[]123 \n", min_size=1), retrievals()), max_size=4))
def test_known_history_is_sent_with_its_markers_when_it_comes_back(
    said: list[tuple[str, Found]],
) -> None:
    numbering, history = Numbering(), list[Turn]()
    talk = Conversation("默认")
    for text, (_, hits) in said:
        talk = numbering.recall("默认", history)
        sources = select(hits, max_sources=6, numbers=talk.numbers)
        answer = text + "".join(f"[{source.number}]" for source in sources)
        numbering.remember(talk, answer, sources)
        history += [Turn("user", "问"), Turn("assistant", answer)]
        back = numbering.recall("默认", history)
        markers = "".join(f"[{source.number}]" for source in sources)
        assert back.history[-1].text.endswith(markers)
        assert len(back.history) == len(history)
