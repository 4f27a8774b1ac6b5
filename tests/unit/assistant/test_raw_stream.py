import json

import pytest

from assistant.raw_stream import EventReader, split

EVENTS = [{"choices": [{"delta": {"content": text}}]} for text in ("年", "假\n\n", "😀𠮷", "data: [DONE]")]
STREAM = (
    "".join(f"data: {json.dumps(event, ensure_ascii=False)}\n\n" for event in EVENTS).encode() + b"data: [DONE]\n\n"
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, len(STREAM)])
def test_events_are_whole_when_bytes_come_in_any_pieces(size: int):
    reader = EventReader()
    found = [event for at in range(0, len(STREAM), size) for event in reader.feed(STREAM[at : at + size])]
    assert (found, reader.ended) == (EVENTS, True)


def test_events_are_read_when_lines_end_in_the_other_ways_that_the_standard_allows():
    reader = EventReader()
    assert reader.feed(b': ping\r\n\r\nevent: x\r\nid: 1\r\ndata:{"a": 1}\r\n\r\ndata: {"a": 2}\n\ndata:\n\n') == [
        {"a": 1},
        {"a": 2},
    ]
    assert not reader.ended


@pytest.mark.parametrize("body", ["[1]", "nothing", '"text"', "{", "null"])
def test_what_is_no_object_is_an_error_when_it_stands_in_an_event(body: str):
    with pytest.raises(ValueError):
        EventReader().feed(f"data: {body}\n\n".encode())


def test_body_and_options_are_apart_when_a_payload_is_split():
    body, options = split({"model": "huozi", "stream": True, "extra_body": {"top_k": 1}, "timeout": 3.0})
    assert body == {"model": "huozi", "stream": True}
    assert options == {"extra_json": {"top_k": 1}, "timeout": 3.0}
