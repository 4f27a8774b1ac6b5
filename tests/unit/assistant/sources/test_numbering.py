from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from assistant.events import Turn
from assistant.sources.numbering import MAX_CARRIED, MAX_NUMBER, Conversation, Numbering, assign
from assistant.sources.source import Source
from tests.unit.assistant.sources.chunks import TEXT, cut

CHUNKS = cut(TEXT)
ANSWER = "年休假为5天。[2]病假须附证明。[1]"


def ids(*ordinals: int) -> list[str]:
    return [CHUNKS[ordinal].chunk.chunk_id for ordinal in ordinals]


def remembering(text: str = ANSWER, collection: str = "默认") -> Numbering:
    numbering = Numbering()
    sources = [Source(2, (CHUNKS[1],)), Source(1, (CHUNKS[2], CHUNKS[3]))]
    numbering.remember(Conversation(collection), text, sources)
    return numbering


def test_numbers_are_known_when_the_answer_comes_back() -> None:
    talk = remembering().recall("默认", [Turn("user", "问"), Turn("assistant", ANSWER)])
    assert talk.numbers == {CHUNKS[1].chunk.chunk_id: 2, CHUNKS[2].chunk.chunk_id: 1, CHUNKS[3].chunk.chunk_id: 1}
    assert talk.history == (Turn("user", "问"), Turn("assistant", ANSWER))


@pytest.mark.parametrize("sent", [f"\n {ANSWER}  ", ANSWER.replace("病假", "\r\n\u3000病假")])
def test_numbers_are_known_when_a_client_changes_white_space(sent: str) -> None:
    assert remembering().recall("默认", [Turn("assistant", sent)]).numbers


def test_numbers_are_known_when_a_lone_surrogate_came_back_as_a_question_mark() -> None:
    numbering = remembering("坏字\ud800。[1]")
    assert numbering.recall("默认", [Turn("assistant", "坏字?。[1]")]).numbers


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("年假5天[1]，病假3天。[2][3]", "年假5天，病假3天。"),
        ("年假5天【1】，病假［2, 3］。[资料4]", "年假5天，病假。"),
        ("见 a[0]、[甲]、[2024]1号。", "见 a[0]、[甲]、[2024]1号。"),
    ],
)
def test_markers_go_when_nobody_knows_the_answer(said: str, left: str) -> None:
    history = [Turn("user", "见[1]"), Turn("assistant", said)]
    assert Numbering().recall("默认", history).history == (Turn("user", "见[1]"), Turn("assistant", left))


def test_answer_is_unknown_when_it_came_from_another_collection_or_was_changed() -> None:
    numbering = remembering()
    assert numbering.recall("人事", [Turn("assistant", ANSWER)]).numbers == {}
    assert numbering.recall("默认", [Turn("assistant", ANSWER + "另有说明")]).numbers == {}
    assert numbering.recall("默认", [Turn("user", ANSWER)]).numbers == {}


def test_foreign_markers_go_when_a_known_answer_holds_them() -> None:
    numbering = remembering("文献[7]说年休假为5天。[2]")
    (turn,) = numbering.recall("默认", [Turn("assistant", "文献[7]说年休假为5天。[2]")]).history
    assert turn.text == "文献说年休假为5天。[2]"


def test_older_numbers_are_known_when_the_client_sends_only_the_end() -> None:
    numbering = remembering()
    talk = numbering.recall("默认", [Turn("assistant", ANSWER)])
    numbering.remember(talk, "附则。[3]", [Source(3, (CHUNKS[0],))])
    assert numbering.recall("默认", [Turn("assistant", "附则。[3]")]).numbers == {**talk.numbers, ids(0)[0]: 3}


def test_own_numbers_count_when_another_conversation_said_the_same() -> None:
    numbering = Numbering()
    numbering.remember(Conversation("默认"), "甲。[1]", [Source(1, (CHUNKS[0],))])
    other = Conversation("默认", numbers={CHUNKS[0].chunk.chunk_id: 9})
    numbering.remember(other, "乙。[2]", [Source(2, (CHUNKS[1],))])
    talk = numbering.recall("默认", [Turn("assistant", "甲。[1]"), Turn("assistant", "乙。[2]")])
    assert talk.numbers == {CHUNKS[0].chunk.chunk_id: 1, CHUNKS[1].chunk.chunk_id: 2}


def test_oldest_answer_is_forgotten_when_there_are_too_many() -> None:
    numbering = Numbering(max_answers=2)
    for text in ("甲[1]", "乙[1]"):
        numbering.remember(Conversation("默认"), text, [Source(1, (CHUNKS[0],))])
    numbering.recall("默认", [Turn("assistant", "甲[1]")])
    numbering.remember(Conversation("默认"), "丙[1]", [Source(1, (CHUNKS[0],))])
    known = [bool(numbering.recall("默认", [Turn("assistant", text)]).numbers) for text in ("甲[1]", "乙[1]", "丙[1]")]
    assert known == [True, False, True]


def test_memory_of_an_answer_is_bounded_when_a_conversation_is_long() -> None:
    numbering = Numbering()
    long = Conversation("默认", numbers={f"c{n}": n for n in range(1, 2 * MAX_CARRIED)})
    numbering.remember(long, "甲[1]", [Source(1, (CHUNKS[0],))])
    assert len(numbering.recall("默认", [Turn("assistant", "甲[1]")]).numbers) == MAX_CARRIED + 1


def test_nothing_is_lost_when_many_threads_remember() -> None:
    numbering = Numbering(max_answers=50)

    def work(at: int) -> None:
        numbering.remember(Conversation("默认"), f"第{at}条[1]", [Source(1, (CHUNKS[0],))])
        numbering.recall("默认", [Turn("assistant", f"第{at}条[1]")])

    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(work, range(400)))
    known = [bool(numbering.recall("默认", [Turn("assistant", f"第{at}条[1]")]).numbers) for at in range(400)]
    assert sum(known) == 50


def test_numbers_follow_the_prompt_when_none_are_known() -> None:
    assert assign([[CHUNKS[2]], [CHUNKS[0]]], {}) == [1, 2]


def test_better_source_keeps_a_number_when_two_had_it() -> None:
    low, high = cut(TEXT, scores=[0.2, 0, 0, 0.9])[0], cut(TEXT, scores=[0.2, 0, 0, 0.9])[3]
    numbers = {low.chunk.chunk_id: 1, high.chunk.chunk_id: 1, "gone": 5}
    assert assign([[low], [high]], numbers) == [6, 1]


def test_free_numbers_are_used_again_when_three_digits_are_full() -> None:
    numbers = {"x": MAX_NUMBER, CHUNKS[0].chunk.chunk_id: 1}
    assert assign([[CHUNKS[0]], [CHUNKS[1]], [CHUNKS[2]]], numbers) == [1, 2, 3]
