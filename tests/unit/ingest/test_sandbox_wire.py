"""What crosses to the worker and back arrives as it was, and a cut message is noticed."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import errors as e
from ingest.sandbox import wire
from ingest.sandbox.parse import Parsed, ParseJob, RecordLabel
from retrieval.errors import Message
from retrieval.models import Document, Span

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)  # Half surrogate pairs too.
PATHS = st.lists(ANY_TEXT, max_size=3).map(tuple)
SPANS = st.builds(
    Span,
    start=st.integers(0, 10**8),
    end=st.integers(0, 10**8),
    page=st.none() | st.integers(1, 10**4),
    heading=PATHS,
    sections=st.lists(st.tuples(st.integers(0, 10**8), PATHS), max_size=3).map(tuple),
)
DOCUMENTS = st.builds(
    Document,
    title=ANY_TEXT,
    text=ANY_TEXT,
    page_starts=st.lists(st.integers(0, 10**8), max_size=4).map(tuple),
    metadata=st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=3),
)
TOKENS = st.lists(st.text(st.sampled_from("年假 a𠮷䶮"), max_size=20), min_size=1, max_size=4).map(tuple)
PARSED = st.builds(
    Parsed,
    document=DOCUMENTS,
    spans=st.lists(SPANS, max_size=4).map(tuple),
    media_type=ANY_TEXT,
    warnings=st.lists(st.builds(Message, ANY_TEXT, ANY_TEXT), max_size=2).map(tuple),
    indexed_texts=st.none() | TOKENS,
)
JOBS = st.builds(
    ParseJob,
    source=ANY_TEXT,
    data=st.binary(max_size=60),
    record=st.none() | st.builds(RecordLabel, title=ANY_TEXT, metadata=st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=3)),
)


def sent(parts: wire.Parts) -> wire.Parts:
    stream = io.BytesIO()
    wire.write(stream, parts)
    stream.seek(0)
    return wire.read(stream)


@settings(deadline=None)
@given(JOBS)
def test_job_arrives_as_it_was_sent(job):
    assert wire.decode_job(sent(wire.encode_job(job))) == job


@settings(deadline=None)
@given(PARSED)
def test_document_arrives_as_it_was_parsed(parsed):
    assert wire.decode_result(sent(wire.encode_result(parsed))) == parsed


@pytest.mark.parametrize(
    "error",
    [
        e.EncryptedError("合同.pdf"),
        e.FileTooLargeError("a.docx", 600 * 1024 * 1024, 500, unpacked=True),
        e.ParserCrashedError("𠮷\ud800.pdf", "SIGSEGV"),
        e.IngestError("a", Message("odd", "怪")),
    ],
)
def test_error_arrives_as_the_kind_it_was(error):
    copy = wire.decode_result(sent(wire.encode_result(error)))

    assert type(copy) is type(error)
    assert (copy.source, copy.message, copy.hint) == (error.source, error.message, error.hint)


@pytest.mark.parametrize("kept", [0, 10, 40])
def test_end_is_noticed_when_a_message_is_cut(kept):
    stream = io.BytesIO()
    wire.write(stream, wire.encode_job(ParseJob("a.txt", "年假五天。".encode())))

    with pytest.raises(EOFError):
        wire.read(io.BytesIO(stream.getvalue()[:kept]))
