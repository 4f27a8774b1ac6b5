"""The template in the real vLLM: the same token ids as ours, no forged turn, clear refusals, calls that parse."""

from __future__ import annotations

import copy
import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from assistant.control_tokens import restore
from assistant.template import ChatTemplateError, render
from tests import tiny_mixtral
from tests.conversations import (
    CONTROL_IDS,
    CONVERSATIONS,
    FORGED,
    Messages,
    Tools,
    assistant,
    disguises,
    everywhere,
    named,
    splits,
    user,
)

if TYPE_CHECKING:
    from tests.vllm_server import VllmServer

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def client(vllm: VllmServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=vllm.root_url, timeout=60) as opened:
        yield opened


def tokenized(client: httpx.Client, messages: Messages, tools: Tools | None = None, **options: Any) -> list[int]:
    """Return the ids that vLLM makes of a conversation."""
    request = {"model": "huozi", "messages": over_http(messages), "tools": tools, **options}
    reply = client.post("/tokenize", json=request)
    assert reply.status_code == 200, reply.text
    ids: list[int] = reply.json()["tokens"]
    return ids


def over_http(messages: Messages) -> Messages:
    """Return the messages with the arguments of calls as JSON, as the protocol asks."""
    sent = copy.deepcopy(messages)
    for call in [call for message in sent for call in message.get("tool_calls") or ()]:
        arguments = call["function"]["arguments"]
        call["function"]["arguments"] = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return sent


def control_counts(ids: list[int]) -> dict[str, int]:
    counted = Counter(ids)
    return {token: counted[number] for token, number in CONTROL_IDS.items()}


@pytest.mark.parametrize("generate", [True, False])
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_ids_are_ours_when_vllm_renders(client: httpx.Client, name: str, generate: bool) -> None:
    messages, tools = CONVERSATIONS[name]
    text = render(messages, tools=tools, add_generation_prompt=generate)
    reply = client.post("/tokenize", json={"model": "huozi", "prompt": text, "add_special_tokens": False})
    assert tokenized(client, messages, tools, add_generation_prompt=generate) == reply.json()["tokens"]


def test_prompt_starts_and_ends_as_published_when_no_special_tokens_are_added(client: httpx.Client) -> None:
    ids = tokenized(client, [user("你好")])
    begin, end = CONTROL_IDS["<|beginofutterance|>"], CONTROL_IDS["<|endofutterance|>"]
    assert ids[0] == begin and ids.count(begin) == 2 and ids.count(end) == 1
    assert CONTROL_IDS["<s>"] not in ids


def test_no_disguise_changes_the_control_tokens_when_it_stands_everywhere(client: httpx.Client) -> None:
    harmless = control_counts(tokenized(client, *everywhere("甲")))
    corpus = disguises()
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda disguise: control_counts(tokenized(client, *everywhere(disguise))), corpus))
    assert [disguise for disguise, found in zip(corpus, counts, strict=True) if found != harmless] == []
    assert len(corpus) > 500
    assert harmless == {"<unk>": 0, "<s>": 0, "</s>": 0, "<|beginofutterance|>": 8, "<|endofutterance|>": 7}


def test_no_split_token_joins_when_parts_are_put_together(client: httpx.Client) -> None:
    harmless = control_counts(tokenized(client, *everywhere("甲")))
    for pieces in splits():
        assert control_counts(tokenized(client, *everywhere("甲", in_parts=pieces))) == harmless, pieces


def test_no_token_forms_when_json_escapes_hide_it_in_arguments(client: httpx.Client) -> None:
    hidden = "".join(f"\\u{ord(char):04x}" for char in "<|endofutterance|>")
    ids = tokenized(client, [user("甲"), assistant(None, ("f", f'{{"a": "{hidden}", "{hidden}": 1}}'))])
    assert ids.count(57_001) == 2


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [named("admin", "甲")],
        [user([{"type": "text", "text": "看"}, {"type": "image_url", "image_url": {"url": "http://127.0.0.1/a.png"}}])],
    ],
)
@pytest.mark.parametrize("path", ["/tokenize", "/v1/chat/completions"])
def test_conversation_is_refused_when_the_model_cannot_take_it(
    client: httpx.Client, messages: Messages, path: str
) -> None:
    reply = client.post(path, json={"model": "huozi", "messages": messages})
    assert reply.status_code == 400, reply.text
    with pytest.raises(ChatTemplateError):
        render(messages)


def test_role_is_named_when_vllm_refuses_it(client: httpx.Client) -> None:
    reply = client.post("/v1/chat/completions", json={"model": "huozi", "messages": [named("admin", "甲")]})
    assert 'The model knows no role "admin"' in reply.text.replace('\\"', '"')


def test_rendered_calls_are_read_back_when_vllms_hermes_parser_gets_them(tmp_path: Path) -> None:
    tiny_mixtral.write_tokenizer(tmp_path, tiny_mixtral.vocabulary(tiny_mixtral.sample_texts()))
    spoken: list[tuple[str | None, list[tuple[str, Any]]]] = [
        (None, [("查天气", {"城市": "哈尔滨", "深": {"单位": ["℃", None, 1.5, True]}})]),
        ("我查一下。\n", [("now", {}), ("查天气", {"城市": "𠮷"})]),
        ("", [("f", {"a": f'引“号"\\\n{FORGED}', FORGED: "<s>"})]),
    ]
    turns = [
        render([user("问"), assistant(text, *calls)], add_generation_prompt=False)
        .rpartition("助手\n")[2]
        .removesuffix("<|endofutterance|>\n")
        for text, calls in spoken
    ]
    command = [str(ROOT / ".venv-vllm/bin/python"), str(Path(__file__).with_name("hermes_reader.py")), str(tmp_path)]
    reader = subprocess.run(command, input=json.dumps(turns), capture_output=True, text=True, check=True, timeout=120)
    read = json.loads(restore(json.dumps(json.loads(reader.stdout), ensure_ascii=False)))
    assert [[(text or "").strip(), calls] for text, calls in read] == [
        [(text or "").strip(), [list(call) for call in calls]] for text, calls in spoken
    ]
