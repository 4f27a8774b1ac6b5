"""A trace as people read it (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from api.cli.language import Say

Json = dict[str, Any]

_STEPS = (
    ("plan", "规划", "plan"),
    ("retrieve", "检索", "retrieve"),
    ("decide", "判断", "decide"),
    ("select", "选材", "select"),
    ("pack", "组装", "pack"),
    ("first_text", "首字", "first text after"),
    ("answer", "作答", "answer"),
    ("total", "共", "total"),
)
REASONS = {
    "no_such_source": ("没有这个编号", "no such source"),
    "number": ("数字不符", "another number"),
    "date": ("日期不符", "another date"),
    "name": ("名称不符", "another name"),
    "negation": ("意思相反", "says the opposite"),
    "words": ("内容不符", "other words"),
    "quote": ("找不到原文", "no quote found"),
    "verdict": ("模型判定不支持", "refuted by the model"),
}
"""Why a citation was dropped, in both languages."""
_DECISIONS = {
    "evidence": ("依据充分", "enough evidence"),
    "nothing_found": ("什么也没找到", "nothing was found"),
    "low_coverage": ("与问题几乎不相干", "hardly a word in common"),
    "foreign_question": ("问题与资料语言不同，意思也不够接近", "another language, and not near enough"),
    "missing_name": ("资料里没有问到的名称", "the name asked for is missing"),
    "weak_evidence": ("依据不足", "too little evidence"),
    "verdict": ("模型判定", "the model's verdict"),
}
_MODES = {
    "generated": ("模型作答", "generated"),
    "extractive": ("原文摘录", "extractive"),
    "refused": ("未作答", "refused"),
    "spoken": ("无需检索", "spoken"),
}


def trace_text(trace: Json, say: Say) -> str:
    """Return how an answer came about, a few lines a step."""
    lines = [*_head(trace, say), *_searched(trace, say), *_found(trace, say), *_decided(trace, say)]
    return "\n".join([*lines, *_sent(trace, say), *_checked(trace, say), *_times(trace, say)])


def _head(trace: Json, say: Say) -> Iterator[str]:
    mode = say(*_MODES[trace["mode"]]) if trace["mode"] in _MODES else ""
    yield say(f"经过 {trace['id']}", f"Trace {trace['id']}") + (f" · {mode}" if mode else "")
    if trace["error"] is not None:
        code, step = trace["error"]["code"], trace["error"]["step"]
        yield say(f"  失败：{code}（{_step(step, say)}）", f"  Failed: {code} ({_step(step, say)})")


def _searched(trace: Json, say: Say) -> Iterator[str]:
    plan = trace["plan"] or {"rewritten": None, "searches": []}
    if plan["rewritten"]:
        yield say(f"  改写为：{plan['rewritten']}", f"  Rewritten: {plan['rewritten']}")
    for search in plan["searches"]:
        context = " ".join(f"« {earlier}" for earlier in search["context"])
        yield say("  检索：", "  Searched: ") + f"{search['question']} {context}".rstrip()


def _found(trace: Json, say: Say) -> Iterator[str]:
    found = trace["retrieval"]
    if found is None:
        return
    n_chunks = found["evidence"]["n_chunks"]
    n = len(found["candidates"])
    yield say(f"  找到 {n} 个片段，共 {n_chunks} 个：", f"  Found {n} of {n_chunks} chunks:")
    for one in found["candidates"]:
        number = "   " if one["source"] is None else f"[{one['source']}]"
        scores = say(
            f"总分 {_score(one['score'])}，融合 {_score(one['fused'])}，关键词 {_score(one['keyword'])}，"
            f"向量 {_score(one['similarity'])}，覆盖 {_score(one['coverage'])}",
            f"score {_score(one['score'])}, fused {_score(one['fused'])}, keyword {_score(one['keyword'])}, "
            f"cosine {_score(one['similarity'])}, coverage {_score(one['coverage'])}",
        )
        page = "" if one["page"] is None else say(f" 第 {one['page']} 页", f" page {one['page']}")
        yield f"    {number} {one['title'] or one['chunk_id']}{page}  {scores}"


def _decided(trace: Json, say: Say) -> Iterator[str]:
    decision = trace["refusal"]
    if decision is None:
        return
    word = say("作答", "answer") if decision["answerable"] else say("不作答", "refuse")
    signals = say("，", ", ").join(f"{name} {_score(value)}" for name, value in decision["signals"].items())
    told = say("（{}）", " ({})").format(signals) if signals else ""
    reason = say(*_DECISIONS.get(decision["reason"], (decision["reason"], decision["reason"])))
    yield say("  判断：", "  Decided: ") + f"{word} · {reason}{told}"


def _sent(trace: Json, say: Say) -> Iterator[str]:
    prompt = trace["prompt"]
    if prompt is None:
        return
    tokens, cut = prompt["tokens"], prompt["cut"]
    yield say(
        f"  发给模型：{prompt['n_messages']} 条消息，{tokens['total']}/{tokens['budget']} 个 token"
        f"（系统 {tokens['system']}，历史 {tokens['history']}，资料 {tokens['sources']}，问题 {tokens['question']}），"
        f"sha256 {prompt['sha256'][:12]}",
        f"  Sent: {prompt['n_messages']} messages, {tokens['total']}/{tokens['budget']} tokens "
        f"(system {tokens['system']}, history {tokens['history']}, sources {tokens['sources']}, "
        f"question {tokens['question']}), sha256 {prompt['sha256'][:12]}",
    )
    dropped, shortened = (_numbers(cut[name]) for name in ("dropped_sources", "shortened_sources"))
    if dropped or shortened or cut["dropped_turns"]:
        none = say("无", "none")
        yield say(
            f"  放不下：资料 {dropped or none}，缩短 {shortened or none}，较早的消息 {cut['dropped_turns']} 条",
            f"  No room for: sources {dropped or none}, shortened {shortened or none}, "
            f"{cut['dropped_turns']} older messages",
        )


def _checked(trace: Json, say: Say) -> Iterator[str]:
    answer = trace["answer"]
    if answer is None:
        return
    kept = _numbers(answer["kept"], "index") or say("无", "none")
    yield say(f"  引文：保留 {kept}", f"  Citations: kept {kept}")
    for one in answer["dropped"]:
        reason = say(*REASONS.get(one["reason"], (one["reason"], one["reason"])))
        yield say(f"    去掉 [{one['index']}]：{reason}", f"    dropped [{one['index']}]: {reason}")
    if answer["unsupported"]:
        n = len(answer["unsupported"])
        yield say(f"    {n} 句没有资料支持", f"    {n} sentences are not supported")
    if trace["mode"] == "refused" and trace["prompt"] is not None:
        yield say("    模型的回答没有可保留的内容，因此未作答", "    nothing of the model's answer held: refused")
    usage = answer["usage"]
    if usage["total_tokens"]:
        cached = "" if usage["cached_tokens"] is None else say("，缓存 ", ", cached ") + str(usage["cached_tokens"])
        yield say(
            f"  用量：输入 {usage['prompt_tokens']}{cached}，输出 {usage['completion_tokens']}（{answer['model']}）",
            f"  Usage: prompt {usage['prompt_tokens']}{cached}, completion {usage['completion_tokens']} "
            f"({answer['model']})",
        )


def _times(trace: Json, say: Say) -> Iterator[str]:
    timed = [f"{say(zh, en)} {trace['timings_ms'][name]:.0f}" for name, zh, en in _STEPS if name in trace["timings_ms"]]
    yield say("  用时（毫秒）：", "  Time (ms): ") + say("，", ", ").join(timed)


def _step(name: str, say: Say) -> str:
    return next((say(zh, en) for step, zh, en in _STEPS if step == name), name)


def _numbers(listed: list[Json], key: str = "number") -> str:
    return "".join(f"[{number}]" for number in sorted({one[key] for one in listed}))


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)
