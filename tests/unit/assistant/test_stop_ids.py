from __future__ import annotations

import pytest

from assistant import ChatHuozi
from tests.servers import FakeModelServer


@pytest.mark.parametrize("is_sent", [True, False])
def test_stop_ids_are_sent_unless_the_server_refuses_them_when_a_model_is_asked(is_sent: bool):
    with FakeModelServer(["好"]) as server:
        ChatHuozi(base_url=server.base_url, send_stop_ids=is_sent).invoke("年假？")

    assert server.requests[0].get("stop_token_ids") == ([57001] if is_sent else None)
