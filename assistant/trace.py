"""How an answer came about: each step noted as it is done, with its time; read once, at the end.

A trace holds ids, numbers and offsets. The question is in it if the settings say so, text of documents and of the
answer only when they ask for it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from assistant.conversation.plan import Plan
from assistant.events import Answer, AnswerEvent, DoneEvent, DraftEvent, TextEvent, Turn, Usage
from assistant.finder import Found
from assistant.generate import Sampling
from assistant.refusal.decision import Decision
from assistant.settings import LlmSettings, TraceSettings
from assistant.sources.source import Source
from assistant.window.context import ContextWindow
from assistant.window.cut import Cut
from retrieval.models import Evidence, Retrieval, ScoredChunk
from retrieval.retriever import MAX_QUESTION_CHARS

if TYPE_CHECKING:
    from retrieval.catalog.answers import TraceRecord

STOPPED = "stopped"
"""Error code of an answer whose reader left."""
INTERNAL = "internal_error"
"""Error code of an answer that failed by a defect of ours."""
_DIGITS = 6

Json = dict[str, Any]


def new_answer_id() -> str:
    """Return an id for an answer, in OpenAI's form."""
    return f"chatcmpl-{uuid.uuid4().hex}"


def prompt_hash(messages: Sequence[Turn]) -> str:
    """Return the SHA-256 of the messages as sent: of the UTF-8 of their compact JSON, in hexadecimal."""
    return hashlib.sha256(_compact([_message(turn) for turn in messages])).hexdigest()


class KeepsTraces(Protocol):
    """What an answer needs of `assistant.trace_log.TraceLog`, and who asks for its trace later."""

    @property
    def settings(self) -> TraceSettings:
        """What may be in a trace."""

    def keep(self, trace: Trace) -> None:
        """Take the trace of an answer that ended; neither waits nor fails."""

    def get(self, answer_id: str) -> TraceRecord:
        """Return one trace, or raise AnswerNotFoundError."""

    def list(self, limit: int, *, after: str | None = None) -> Sequence[TraceRecord]:
        """Return traces, newest first; those behind `after`."""


class Trace:
    """The steps of one answer. Each note returns what it was given, so that the story stays one line a step.

    Used with `with`: however the answer ends, its trace is kept, and before its reader gets the last event.

    Args:
        answer_id: The answer's.
        question: As asked.
        collection: As named by whoever asked.
        n_turns: Earlier turns of the conversation.
        sampling: How the model is asked to write, with what the settings say.
        traces: Keeps it; None: nobody does.
    """

    def __init__(
        self,
        answer_id: str,
        question: str,
        collection: str,
        n_turns: int,
        sampling: Sampling,
        traces: KeepsTraces | None = None,
    ) -> None:
        self.answer_id = answer_id
        self.created_at = time.time()
        self._question = question[:MAX_QUESTION_CHARS]
        self._collection = collection
        self._n_turns = n_turns
        self._traces = traces
        self._settings = traces.settings if traces is not None else TraceSettings()
        self._begin = self._last = time.perf_counter()
        self._timings: dict[str, float] = {}
        self._plan: Plan | None = None
        self._found: Found | None = None
        self._decision: Decision | None = None
        self._sources: tuple[Source, ...] = ()
        self._window: ContextWindow | None = None
        self._sampling = sampling
        self._answer: Answer | None = None
        self._error: Json | None = None
        self._body: Json | None = None

    @property
    def collection(self) -> str:
        """The collection's name if it was searched, else as whoever asked named it."""
        return self._found.retrieval.collection if self._found is not None else self._collection

    @property
    def is_searched(self) -> bool:
        """Whether it tells what was found in the collection."""
        return self._found is not None

    def planned(self, plan: Plan) -> Plan:
        """Note what is searched for."""
        self._plan = plan
        self._note("plan")
        return plan

    def found(self, found: Found) -> Found:
        """Note what was found."""
        self._found = found
        self._note("retrieve")
        return found

    def decided(self, decision: Decision) -> Decision:
        """Note whether to answer."""
        self._decision = decision
        self._note("decide")
        return decision

    def selected(self, sources: tuple[Source, ...]) -> tuple[Source, ...]:
        """Note what the answer may be made of."""
        self._sources = sources
        self._note("select")
        return sources

    def packed(self, window: ContextWindow) -> ContextWindow:
        """Note what is sent to the model."""
        self._window = window
        self._note("pack")
        return window

    def passed(self, event: AnswerEvent) -> AnswerEvent:
        """Note an event on its way out; the last one's answer learns its id and its trace."""
        if isinstance(event, TextEvent | DraftEvent) and event.text:
            self._timings.setdefault("first_text", self._since(self._begin))
        if not isinstance(event, DoneEvent):
            return event
        self._answer = event.answer
        self._note("answer")
        self._end()
        return DoneEvent(replace(event.answer, answer_id=self.answer_id, trace=self.body()))

    def failed(self, code: str) -> None:
        """Note why there is no answer, by an error's code; the first reason counts."""
        if self._answer is None and self._error is None:
            self._error = {"code": code, "step": self._step()}
            self._note(self._step())
            self._end()

    def __enter__(self) -> Trace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Note an end that nobody noted: the reader left, or a defect of ours."""
        if kind is not None:
            self.failed(STOPPED if issubclass(kind, GeneratorExit | asyncio.CancelledError) else INTERNAL)

    def body(self) -> Json:
        """Return all of it, as JSON can hold it; what did not happen is null or empty."""
        if self._body is not None:
            return self._body
        answer = self._answer
        body = {
            "id": self.answer_id,
            "created": round(self.created_at, 3),
            "question": self._question if self._settings.question else None,
            "collection": self.collection,
            "mode": answer.mode if answer else None,
            "error": self._error,
            "plan": self._plan_body(),
            "retrieval": self._retrieval_body(),
            "refusal": _decision_body(self._decision),
            "sources": [self._source_body(source) for source in self._sources],
            "prompt": self._prompt_body(),
            "answer": self._answer_body(),
            "timings_ms": dict(self._timings),
        }
        if "total" in self._timings:  # it has ended, and its reader and whoever keeps it want the same
            self._body = body
        return body

    def _plan_body(self) -> Json | None:
        plan, told = self._plan, self._settings.question
        if plan is None:
            return None
        searches = [{"question": one.question, "context": list(one.context)} for one in plan.searches]
        return {
            "turns": self._n_turns,
            "spoken": plan.reply is not None,
            "rewritten": plan.rewritten if told else None,
            "n_searches": len(plan.searches),
            "searches": searches if told else [],
        }

    def _retrieval_body(self) -> Json | None:
        if self._found is None:
            return None
        retrieval = self._found.retrieval
        numbers = {scored.chunk.chunk_id: source.number for source in self._sources for scored in source.chunks}
        return {
            "embedder": self._found.embedder,
            "evidence": _evidence_body(retrieval.evidence),
            "candidates": [self._candidate_body(hit, numbers.get(hit.chunk.chunk_id)) for hit in retrieval.hits],
            "parts": [self._part_body(part) for part in self._found.parts],
        }

    def _part_body(self, part: Retrieval) -> Json:
        return {
            "question": part.question if self._settings.question else None,
            "evidence": _evidence_body(part.evidence),
            "chunk_ids": [hit.chunk.chunk_id for hit in part.hits],
        }

    def _candidate_body(self, hit: ScoredChunk, number: int | None) -> Json:
        chunk = hit.chunk
        scores = {name: _number(getattr(hit, name)) for name in ("keyword", "similarity", "fused", "coverage", "score")}
        body = {
            "chunk_id": chunk.chunk_id,
            "document_id": chunk.document_id,
            "version_id": chunk.version_id,
            **scores,
            "source": number,
        }
        return body | {"text": chunk.text} if self._settings.text else body

    def _source_body(self, source: Source) -> Json:
        packed = {one.number: one for one in (self._window.sources if self._window is not None else self._sources)}
        shown = packed.get(source.number)
        return {
            "number": source.number,
            "chunk_ids": [scored.chunk.chunk_id for scored in source.chunks],
            "value": _number(source.value),
            "packed": shown is not None,
            "shortened": bool(shown and shown.omitted),
        }

    def _prompt_body(self) -> Json | None:
        window = self._window
        if window is None:
            return None
        body: Json = {
            "sha256": prompt_hash(window.messages),
            "n_messages": len(window.messages),
            **cut_body(window.cut),
            "sampling": _sampling_body(self._sampling),
        }
        return body | {"messages": [_message(turn) for turn in window.messages]} if self._settings.text else body

    def _answer_body(self) -> Json | None:
        answer, with_text = self._answer, self._settings.text
        if answer is None:
            return None
        kept = [
            {"index": one.index, "chunk_id": one.source.chunk.chunk_id, "start": one.start, "end": one.end}
            | ({"quote": one.quote} if with_text else {})
            for one in answer.citations
        ]
        dropped = [
            {"index": one.index, "reason": one.reason} | ({"sentence": one.sentence} if with_text else {})
            for one in answer.dropped
        ]
        body: Json = {
            "model": answer.model,
            "finish_reason": answer.finish_reason,
            "n_chars": len(answer.text),
            "kept": kept,
            "dropped": dropped,
            "unsupported": [list(span) for span in answer.unsupported],
            "usage": usage_body(answer.usage),
        }
        return body | {"text": answer.text} if with_text else body

    def _step(self) -> str:
        """Return the step that is being done, by what is not noted yet."""
        done = ("plan", "retrieve", "decide", "select")
        return next((step for step in done if step not in self._timings), "answer")

    def _note(self, step: str) -> None:
        self._timings[step] = self._since(self._last)
        self._last = time.perf_counter()

    def _since(self, moment: float) -> float:
        return round((time.perf_counter() - moment) * 1000, 2)

    def _end(self) -> None:
        self._timings["total"] = self._since(self._begin)
        if self._traces is not None:
            self._traces.keep(self)


def effective(sampling: Sampling, llm: LlmSettings | None) -> Sampling:
    """Return what a request asks for, filled up with what the settings say."""
    if llm is None:
        return sampling
    temperature = llm.temperature if sampling.temperature is None else sampling.temperature
    return replace(sampling, max_tokens=sampling.max_tokens or llm.max_tokens, temperature=temperature)


def usage_body(usage: Usage) -> Json:
    """Return what the model server counted."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "cached_tokens": usage.cached_tokens,
    }


def cut_body(cut: Cut) -> Json:
    """Return what the prompt's tokens went to, and what found no room."""
    return {
        "tokens": asdict(cut.tokens) | {"total": cut.tokens.total},
        "counted": cut.counted,
        "counting_calls": cut.calls,
        "cut": {
            "dropped_sources": [_chunks_body(asdict(one)) for one in cut.dropped_sources],
            "shortened_sources": [_chunks_body(asdict(one)) for one in cut.shortened_sources],
            "dropped_turns": cut.dropped_turns,
        },
    }


def _chunks_body(source: Json) -> Json:
    """Return a record with lists where it has tuples, as JSON would give it back."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in source.items()} | (
        {"omitted": [list(span) for span in source["omitted"]]} if "omitted" in source else {}
    )


def _sampling_body(sampling: Sampling) -> Json:
    return {
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "stop": list(sampling.stop or ()),
    }


def _evidence_body(evidence: Evidence) -> Json:
    return {name: _number(value) for name, value in asdict(evidence).items()}


def _decision_body(decision: Decision | None) -> Json | None:
    if decision is None:
        return None
    signals: Mapping[str, Any] = decision.signals
    return {
        "answerable": bool(decision.answerable),
        "reason": decision.reason,
        "signals": {name: _number(value) for name, value in signals.items()},
    }


def _number(value: float | None) -> float | None:
    """Return a number short enough to read, and of Python's own kind."""
    if value is None or isinstance(value, bool | int):
        return value
    return round(float(value), _DIGITS) if math.isfinite(value) else None


def _message(turn: Turn) -> Json:
    return {"role": turn.role, "content": turn.text}


def _compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
