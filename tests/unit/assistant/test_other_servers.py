from __future__ import annotations

import openai
import pytest

from assistant import ChatHuozi
from tests.servers import EndWithoutFinish, FakeModelServer, Raw


@pytest.mark.parametrize("is_sent", [True, False])
def test_stop_ids_are_sent_unless_the_server_refuses_them_when_a_model_is_asked(is_sent: bool):
    with FakeModelServer(["好"]) as server:
        ChatHuozi(base_url=server.base_url, send_stop_ids=is_sent).invoke("年假？")

    assert server.requests[0].get("stop_token_ids") == ([57001] if is_sent else None)


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_stream_is_whole_when_it_has_its_reason_and_no_done_mark(is_async: bool):
    last = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n'
    with FakeModelServer([Raw(last), EndWithoutFinish()]) as server:
        model = ChatHuozi(base_url=server.base_url)
        chunks = [one async for one in model.astream("年假？")] if is_async else list(model.stream("年假？"))

    reasons = [one.response_metadata.get("finish_reason") for one in chunks]
    assert [reason for reason in reasons if reason] == ["stop"]


async def test_a_stream_is_broken_when_it_has_neither_reason_nor_done_mark():
    with FakeModelServer(["年", EndWithoutFinish()]) as server, pytest.raises(openai.APIConnectionError):
        list(ChatHuozi(base_url=server.base_url, max_retries=0).stream("年假？"))
