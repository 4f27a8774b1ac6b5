"""A model server that misbehaves, through the real service: what the caller gets, streamed and whole, and what is left.

Each test asks once more at the end: one bad answer costs no other, and no connection to the model server stays behind.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
import psutil
import pytest

from api.app import create_app
from api.settings import Settings
from api.sse import decode_events
from api.wiring import build
from assistant.settings import AnswerSettings, LlmSettings
from tests.servers import Die, EndWithoutFinish, FakeModelServer, Raw, Status, Step, Wait
from tests.unit.api.service import running

HANDBOOK = """# 员工手册

## 第一章 休假
第五条 员工累计工作满一年的，每年享受五天带薪年休假；满十年的，享受十天带薪年休假。
第六条 婚假为三天，产假为一百五十八天，陪产假为十五天。

## 第二章 报销
第七条 市内交通费凭发票实报实销，每月不超过三百元。
"""
QUESTION = "工作满十年享受多少天带薪年休假？"
GOOD = "满十年的，享受十天带薪年休假[1]。"
SECOND = "婚假为三天，陪产假为十五天[1]。"
MADE_UP = "月球基地的员工每年前往火星三次。"
FOREVER = Wait(60)
TIMEOUT_S = 0.5
ANSWER_TOKENS = 64
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
BYTES = b'data: {"choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":null}]}\n\n'


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("answers")
    (folder / "制度").mkdir()
    (folder / "制度" / "员工手册.md").write_text(HANDBOOK, "utf-8")
    settings = Settings(data_dir=folder / "data", embedder="none", port=0)
    with build(settings) as built:
        assert built.ingestor.ingest([folder / "制度"]).added == 1
    return settings


class Service:
    """The service and the model server behind it."""

    def __init__(self, url: str, server: FakeModelServer) -> None:
        self.url = url
        self.server = server

    def ask(self, stream: bool, question: str = QUESTION, **body: Any) -> httpx.Response:
        asked = {"model": "huozi-rag", "stream": stream, "messages": [{"role": "user", "content": question}]} | body
        return httpx.post(f"{self.url}/v1/chat/completions", json=asked, timeout=30)

    def answer(self, stream: bool, **body: Any) -> dict[str, Any]:
        """Return an answer that came through: its text, and the fields beside it."""
        reply = self.ask(stream, **body)
        assert reply.status_code == 200, reply.text
        if not stream:
            told = reply.json()
            (choice,) = told["choices"]
            return told | {"text": choice["message"]["content"], "finish_reason": choice["finish_reason"]}
        *events, done = decode_events(reply.content)
        assert done == "[DONE]"
        chunks = [json.loads(event) for event in events]
        text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
        return chunks[-1] | {"text": text, "finish_reason": chunks[-1]["choices"][0]["finish_reason"]}

    def recover(self) -> None:
        """See that the next question is answered, and how many connections are kept."""
        self.server.script, self.server.finish_reason = (GOOD,), "stop"
        for stream in (False, True):
            assert self.answer(stream)["text"] == GOOD
        assert self.keeps(1)  # The one for the next question.

    def keeps(self, most: int) -> bool:
        """Whether soon no more connections to the model server than these are open on the service's side."""
        end = time.monotonic() + 10
        while self._connections() > most and time.monotonic() < end:
            time.sleep(0.05)
        return self._connections() <= most

    def _connections(self) -> int:
        found = psutil.Process().net_connections("tcp")
        return sum(bool(one.raddr) and one.raddr.port == self.server.port for one in found)


@contextmanager
def service(data: Settings, script: Sequence[Step], **llm: Any) -> Iterator[Service]:
    """Run the service in front of a server that follows the script; then see that it still works and keeps nothing."""
    limits = {"timeout_s": TIMEOUT_S, "max_retries": 0, "max_tokens": ANSWER_TOKENS} | llm
    with FakeModelServer(script) as server:
        settings = data.model_copy(update={"llm": LlmSettings(base_url=server.base_url, **limits)})
        with running(create_app(settings)) as url:
            tested = Service(url, server)
            yield tested
            tested.recover()
        assert tested.keeps(0)


@pytest.fixture(scope="module")
def standing(data: Settings) -> Iterator[Service]:
    """A service for many tests, each with a script of its own."""
    with service(data, [GOOD], max_tokens=1024) as tested:
        yield tested


def broken(url: str) -> str:
    return (
        f"模型服务 {url!r} 的输出中断，或不是 OpenAI 格式的数据流；以上回答不完整。"
        "请重试；如果再次出现，请查看模型服务的日志。"
    )


def silent(url: str) -> str:
    return f"模型服务 {url!r} 已有 0.5 秒没有输出。请重试；如果模型本来就这么慢，请调大 HUOZI_LLM__TIMEOUT_S。"


def empty(url: str, reason: str = "stop") -> str:
    return (
        f"{url!r} 的模型一个字也没有写就结束了回答（finish_reason 为 {reason!r}）。"
        "请重试；如果再次出现，请检查模型服务的对话模板；如果模型把词元都用在了思考上，请调大 HUOZI_LLM__MAX_TOKENS。"
    )


def out_of_tokens(url: str) -> str:
    return empty(url, "length")


def repeating(url: str) -> str:
    return (
        f"{url!r} 的模型不停地重复同样的话，没有可以保留的内容。"
        "请换个问法；如果经常出现，请调高 HUOZI_LLM__TEMPERATURE，或检查模型服务的对话模板。"
    )


def failing(url: str) -> str:
    return f"模型服务 {url!r} 拒绝了请求，错误 500: out of memory。请查看模型服务的日志后重试。"


GARBAGE = {
    "dies before a word": [Die()],
    "dies in a sentence": ["工作满十年的，", Die()],
    "ends without a reason": ["工作满十年的，", EndWithoutFinish()],
    "sends bytes that are no UTF-8": ["工作满十年的，", Raw(BYTES % b"\xff\xfe\x80")],
    "sends GBK": [Raw(BYTES % GOOD.encode("gbk"))],
    "sends no JSON": [Raw(b"data: {nope\n\n")],
    "sends another shape": [Raw(b'data: {"choices": 5}\n\n')],
    "sends a page": [Status(200, {"title": "welcome"})],
}
ERRORS = [
    *(pytest.param(script, "stop", "model_server_garbage", broken, id=name) for name, script in GARBAGE.items()),
    pytest.param([FOREVER], "stop", "model_server_slow", silent, id="stalls before a word"),
    pytest.param(["工作满十年的，", FOREVER], "stop", "model_server_slow", silent, id="stalls in a sentence"),
    pytest.param([], "stop", "model_answer_empty", empty, id="says nothing"),
    pytest.param([" ", "\n\n", "\u3000\t"], "stop", "model_answer_empty", empty, id="says blanks alone"),
    pytest.param([], "length", "model_answer_empty", out_of_tokens, id="spends its tokens on nothing"),
    pytest.param([MADE_UP] * 80 + [FOREVER], "stop", "model_answer_repeats", repeating, id="repeats what is made up"),
    pytest.param(["好的" * 9] * 40 + [FOREVER], "stop", "model_answer_repeats", repeating, id="repeats two characters"),
    pytest.param(
        [Status(500, {"error": {"message": "out of memory"}})], "stop", "model_server_refused", failing, id="fails"
    ),
]


@STREAMED
@pytest.mark.parametrize(("script", "finish_reason", "code", "message"), ERRORS)
def test_error_has_its_status_when_nothing_was_shown(standing, script, finish_reason, code, message, stream):
    server = standing.server
    server.script, server.finish_reason = tuple(script), finish_reason
    n_before = len(server.requests)
    reply = standing.ask(stream)
    assert len(server.requests) == n_before + 1
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["type"]) == (503, code, "server_error")
    assert error["message"] == message(server.base_url)
    standing.recover()


@pytest.mark.parametrize(
    ("steps", "code", "message"),
    [
        ([Die()], "model_server_garbage", broken),
        ([FOREVER], "model_server_slow", silent),
        ([Raw(BYTES % b"\xe5\xa9")], "model_server_garbage", broken),
        ([EndWithoutFinish()], "model_server_garbage", broken),
    ],
    ids=["dies", "stalls", "no UTF-8", "ends without a reason"],
)
def test_error_follows_what_was_shown_when_the_model_server_fails_late(data, steps, code, message):
    with service(data, [GOOD, "另外，", *steps]) as tested:
        reply = tested.ask(stream=True)
        assert reply.status_code == 200
        *chunks, failure, done = decode_events(reply.content)
        text = "".join(json.loads(chunk)["choices"][0]["delta"].get("content") or "" for chunk in chunks)
        error = json.loads(failure)["error"]
        assert (text, done) == (GOOD, "[DONE]")
        assert (error["code"], error["message"]) == (code, message(tested.server.base_url))
        whole = tested.ask(stream=False)
        assert (whole.status_code, whole.json()["error"]["code"]) == (503, code)


LOOPS = {
    "the same sentence": [GOOD] * 60,
    "the same sentence with a counter": [f"{i}. {GOOD}\n" for i in range(1, 61)],
    "the same sentence with other markers": [f"满十年的，享受十天带薪年休假[{1 + i % 3}]。" for i in range(60)],
    "one character a piece": list(GOOD * 60),
    "words without a full stop behind it": [GOOD, *["年休假，"] * 200],
    "one character": [GOOD, *["的"] * 600],
}


@STREAMED
@pytest.mark.parametrize("script", LOOPS.values(), ids=LOOPS)
def test_repetition_is_cut_when_the_model_repeats_itself(data, script, stream):
    with service(data, [*script, FOREVER], max_tokens=4096, timeout_s=30) as tested:
        answer = tested.answer(stream)
        assert answer["text"].removeprefix("1. ").strip() == GOOD
        assert (answer["finish_reason"], answer["mode"]) == ("length", "generated")
        assert [one["index"] for one in answer["citations"]] == [1]
        assert tested.server.closed_by_client.wait(10)


@STREAMED
def test_repetition_of_several_sentences_is_cut_when_the_model_goes_round(data, stream):
    with service(data, [GOOD, SECOND] * 40 + [FOREVER], max_tokens=4096, timeout_s=30) as tested:
        answer = tested.answer(stream)
        assert (answer["text"], answer["finish_reason"]) == (GOOD + SECOND, "length")
        assert tested.server.closed_by_client.wait(10)


@STREAMED
def test_repeated_sentence_is_shown_when_the_model_goes_on(data, stream):
    with service(data, [GOOD, GOOD, SECOND]) as tested:
        answer = tested.answer(stream)
        assert (answer["text"], answer["finish_reason"]) == (GOOD + GOOD + SECOND, "stop")


def endless() -> Iterator[str]:
    letters = random.Random(3)
    while True:
        yield "".join(letters.choices("月球火星土星木星彗星轨道探测飞船", k=9)) + letters.choice(["，", "。"])


@STREAMED
@pytest.mark.parametrize(("first", "mode"), [([GOOD], "generated"), ([], "refused")], ids=["an answer", "nothing"])
def test_answer_ends_when_the_server_ignores_how_long_it_may_be(data, first, mode, stream):
    rest = [text for text, _ in zip(endless(), range(400), strict=False)]
    with service(data, [*first, *rest, FOREVER], timeout_s=30) as tested:
        answer = tested.answer(stream)
        assert (answer["finish_reason"], answer["mode"]) == ("length", mode)
        assert answer["text"] == GOOD if first else answer["text"].strip()
        assert tested.server.closed_by_client.wait(10)


@STREAMED
def test_answer_ends_when_the_request_asks_for_few_tokens_and_the_server_ignores_it(data, stream):
    rest = [text for text, _ in zip(endless(), range(400), strict=False)]
    with service(data, [GOOD, *rest, FOREVER], max_tokens=100_000, window_tokens=200_000, timeout_s=30) as tested:
        answer = tested.answer(stream, max_tokens=20)
        assert (answer["text"], answer["finish_reason"]) == (GOOD, "length")
        assert tested.server.closed_by_client.wait(10)


@STREAMED
@pytest.mark.parametrize(
    ("script", "question", "code"),
    [
        (["[1]", "[2]"], QUESTION, "model_answer_empty"),
        ([" \n"], QUESTION, "model_answer_empty"),
        ([" \n"], "火星探测器使用什么燃料推进？", "model_answer_empty"),
        (["[1]"], "火星探测器使用什么燃料推进？", "model_answer_empty"),
        (["好" * 900, FOREVER], "火星探测器使用什么燃料推进？", "model_answer_repeats"),
    ],
    ids=["markers", "blanks", "blanks from memory", "markers from memory", "a loop from memory"],
)
def test_error_has_its_status_when_helpful_mode_has_nothing_to_show(data, script, question, code, stream):
    helpful = data.model_copy(update={"answer": AnswerSettings(mode="helpful")})
    with service(helpful, script, max_tokens=1024) as tested:
        reply = tested.ask(stream, question)
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, code)


@STREAMED
def test_repetition_is_cut_when_helpful_mode_answers_from_memory(data, stream):
    helpful = data.model_copy(update={"answer": AnswerSettings(mode="helpful")})
    with service(helpful, [MADE_UP] * 60 + [FOREVER], max_tokens=4096, timeout_s=30) as tested:
        messages = [{"role": "user", "content": "火星探测器使用什么燃料推进？"}]
        answer = tested.answer(stream, messages=messages)
        assert answer["text"] == f"以下不来自文档，是模型自己的知识，请自行核实：\n\n{MADE_UP}"
        assert answer["finish_reason"] == "length"
        assert tested.server.closed_by_client.wait(10)


@STREAMED
def test_citations_are_dropped_when_their_sources_do_not_exist(data, stream):
    with service(data, ["满十年的，享受十天带薪年休假[1][7][99]。", "婚假为三天[0]【42】。"]) as tested:
        answer = tested.answer(stream)
        assert answer["text"] == "满十年的，享受十天带薪年休假[1]。婚假为三天[1]。"
        assert {one["index"] for one in answer["citations"]} == {1}
        trace = httpx.get(f"{tested.url}/v1/answers/{answer['id']}").json()
        dropped = {(one["index"], one["reason"]) for one in trace["answer"]["dropped"]}
        assert dropped == {(number, "no_such_source") for number in (7, 99, 0, 42)}


@STREAMED
def test_question_is_refused_when_it_has_32000_tokens(data, stream):
    with service(data, [GOOD]) as tested:
        reply = tested.ask(stream, "年假有几天呢？很急。" * 3200)
        error = reply.json()["error"]
        assert (reply.status_code, error["code"]) == (400, "bad_question")
        assert error["message"] == "问题有 32000 个字符，最多 4000 个。请缩短问题，或把长文本作为文档导入后再提问。"
        assert tested.server.requests == []


@STREAMED
def test_question_is_refused_when_it_leaves_no_room_in_the_window(data, stream):
    with service(data, [GOOD], window_tokens=2048) as tested:
        reply = tested.ask(stream, (QUESTION * 240)[:3900])
        error = reply.json()["error"]
        assert (reply.status_code, error["code"]) == (400, "prompt_too_long")
        assert "比模型 2,048 个词元的窗口多出" in error["message"]
        assert tested.server.requests == []


@STREAMED
def test_newest_turns_are_sent_when_the_history_has_200(data, stream):
    history = [
        {"role": role, "content": f"{role}第{i}轮说的话。"} for i in range(100) for role in ("user", "assistant")
    ]
    with service(data, [GOOD], window_tokens=4096) as tested:
        answer = tested.answer(stream, messages=[*history, {"role": "user", "content": QUESTION}])
        assert (answer["text"], answer["mode"]) == (GOOD, "generated")
        system, *turns, last = tested.server.requests[0]["messages"]
        assert system["role"] == "system"
        assert QUESTION in last["content"]
        assert 2 <= len(turns) <= 20
        assert [turn["content"] for turn in turns] == [turn["content"] for turn in history[-len(turns) :]]
        assert [turn["role"] for turn in turns] == ["user", "assistant"] * (len(turns) // 2)


@STREAMED
def test_system_messages_are_joined_behind_ours_when_there_are_two(data, stream):
    messages = [
        {"role": "system", "content": "回答要简短。"},
        {"role": "system", "content": "称呼用户为同事。"},
        {"role": "user", "content": QUESTION},
    ]
    with service(data, [GOOD]) as tested:
        assert tested.answer(stream, messages=messages)["text"] == GOOD
        system, last = tested.server.requests[0]["messages"]
        assert (system["role"], last["role"]) == ("system", "user")
        assert system["content"].startswith("你是活字")
        assert system["content"].endswith("回答要简短。\n\n称呼用户为同事。")


def test_many_bad_answers_leave_nothing_behind(data):
    scripts: list[list[Step]] = [*GARBAGE.values(), [GOOD, Die()], [], [*[GOOD] * 60, FOREVER], ["工作满", FOREVER]]
    with service(data, [GOOD]) as tested:
        tested.answer(stream=True)
        process = psutil.Process()
        files, threads = process.num_fds(), process.num_threads()
        for _ in range(2):
            for script in scripts:
                tested.server.script = tuple(script)
                for stream in (False, True):
                    tested.ask(stream, max_tokens=1024)
        tested.server.script = (GOOD,)
        tested.answer(stream=True)
        end = time.monotonic() + 10
        while (process.num_fds() > files + 2 or process.num_threads() > threads + 4) and time.monotonic() < end:
            time.sleep(0.05)
        assert process.num_fds() <= files + 2
        assert process.num_threads() <= threads + 4
