import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.reply_role import RoleMender


def mended(pieces: list[bytes], role: str = "助手") -> bytes:
    mender = RoleMender(role)
    return b"".join([*map(mender.feed, pieces), mender.finish()])


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in zip(ends, ends[1:], strict=False)]


@given(st.lists(st.integers(0, 10_000), max_size=12), st.booleans(), st.sampled_from([(",", ":"), (", ", ": ")]))
def test_the_role_is_the_one_that_clients_know_wherever_the_bytes_are_cut(places, escaped, separators):
    reply = {"choices": [{"message": {"role": "助手", "content": '角色"role":"助手"𠮷'}}, {"delta": {"role": "助手"}}]}
    data = json.dumps(reply, ensure_ascii=escaped, separators=separators).encode()

    found = json.loads(mended(cut(data, places)))

    assert found["choices"][0]["message"] == {"role": "assistant", "content": '角色"role":"助手"𠮷'}
    assert found["choices"][1]["delta"] == {"role": "assistant"}


@given(st.lists(st.sampled_from(['"role":"助', "手", '"', '"role":', " ", "{", "文"])), st.lists(st.integers(0, 999)))
def test_no_byte_is_lost_when_it_only_looks_like_the_role(words, places):
    data = "".join(words).replace("助手", "助 手").encode()

    assert mended(cut(data, places)) == data


@pytest.mark.parametrize("data", [b"", b'{"role":"assistant"}', b'{"role":"tool"}', b"data: [DONE]\n\n"])
def test_other_replies_stay_as_they_are(data):
    assert mended([data]) == data
