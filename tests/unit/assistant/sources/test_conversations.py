"""Numbers through the whole assistant: a conversation as its client sends it back, turn by turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from assistant import Assistant, LlmSettings, Turn
from assistant.events import Answer
from retrieval.models import ScoredChunk
from tests.unit.assistant.builders import FakeRetriever
from tests.unit.assistant.sources.chunks import cut
from tests.unit.assistant.sources.citing_server import CitingServer, sources

LEAVE, TRAVEL, TRAINING, OVERTIME = (
    cut(text, name=f"{title}.txt", title=title, scores=[3.0 - place])[0]
    for place, (title, text) in enumerate(
        {
            "休假制度": "年休假为5天，须提前三日申请。",
            "差旅制度": "住宿费每晚不超过400元，凭发票报销。",
            "培训制度": "培训费由公司承担，须签服务期协议。",
            "加班制度": "加班须经主管批准，可以换成调休。",
        }.items()
    )
)
Asked = tuple[str, Sequence[ScoredChunk], ScoredChunk]
TURNS: tuple[Asked, ...] = (
    ("年休假有几天？", (LEAVE, TRAVEL), LEAVE),
    ("住宿费每晚不超过多少？", (TRAVEL, TRAINING), TRAVEL),
    ("培训费由谁承担？", (TRAINING, LEAVE), TRAINING),
    ("加班须经谁批准？", (OVERTIME, TRAINING), OVERTIME),
    ("年休假须提前几日申请？", (LEAVE, OVERTIME), LEAVE),
    ("住宿费凭什么报销？", (TRAVEL, LEAVE), TRAVEL),
)


@dataclass
class Client:
    """Sends the whole conversation with each question, as clients of chat completions do."""

    server: CitingServer
    retriever: FakeRetriever = field(default_factory=FakeRetriever)
    history: list[Turn] = field(default_factory=list)

    def assistant(self) -> Assistant:
        return Assistant(self.retriever, llm=LlmSettings(base_url=self.server.base_url))

    def ask(self, assistant: Assistant, turn: Asked) -> Answer:
        question, self.retriever.hits, cited = turn
        self.server.says = cited.chunk.text
        answer = assistant.ask(question, self.history)
        self.history += [Turn("user", question), Turn("assistant", f" {answer.text}\n")]
        return answer


def titles(message: str) -> dict[str, int]:
    """Return the number that each title has in a prompt."""
    return {text.partition("\n")[0]: number for number, text in sources(message).items()}


def test_chunk_keeps_its_number_when_six_turns_ask_for_it() -> None:
    with CitingServer() as server:
        client = Client(server)
        assistant = client.assistant()
        answers = [client.ask(assistant, turn) for turn in TURNS]
        prompts = [titles(server.sent(at)[-1]) for at in range(len(server.requests))]
    assert [answer.citations[0].index for answer in answers] == [1, 2, 3, 4, 1, 2]
    assert all(f"[{answer.citations[0].index}]" in answer.text for answer in answers)
    for title in ("休假制度", "差旅制度", "培训制度", "加班制度"):
        assert len({numbers[title] for numbers in prompts if title in numbers}) == 1
    assert all(len(set(numbers.values())) == len(numbers) for numbers in prompts)


def test_history_is_sent_as_it_was_when_its_numbers_are_known() -> None:
    with CitingServer() as server:
        client = Client(server)
        assistant = client.assistant()
        answers = [client.ask(assistant, turn) for turn in TURNS[:3]]
        sent = server.sent()
    assert [text.strip() for text in sent if text.strip() in {answer.text for answer in answers}] == [
        answer.text for answer in answers[:2]
    ]


def test_markers_leave_the_history_when_another_process_goes_on() -> None:
    with CitingServer() as server:
        client = Client(server)
        client.ask(client.assistant(), TURNS[0])
        other = client.assistant()
        answer = client.ask(other, TURNS[1])
        first_sent = server.sent()
        client.ask(other, TURNS[2])
        then_sent = server.sent()
    assert client.history[1].text.strip().endswith("[1]")
    assert first_sent[2].strip() == then_sent[2].strip() == LEAVE.chunk.text
    assert then_sent[4].strip() == answer.text and answer.citations[0].index == 1


def test_numbers_stay_when_no_model_writes_the_answers() -> None:
    retriever, history, cited = FakeRetriever(), [], []
    assistant = Assistant(retriever)
    for question, retriever.hits, chunk in TURNS:
        answer = assistant.ask(question, history)
        history += [Turn("user", question), Turn("assistant", answer.text)]
        cited += [one.index for one in answer.citations if one.source.chunk == chunk.chunk][:1]
    assert cited == [1, 2, 3, 4, 1, 2]
