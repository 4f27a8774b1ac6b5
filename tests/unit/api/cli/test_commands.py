from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

import api.cli
from api.cli.trace import REASONS, trace_text
from assistant.events import DropReason
from ingest.report import IngestFailure, IngestReport
from retrieval.errors import HuoziError, Message
from tests.unit.api.cli.fake_engine import CITATION, DOCUMENT, HIT, TRACE, FakeEngine, huozi

TRACED = """\
chatcmpl-1 · 模型作答
  改写为：员工的年假有几天
  检索：那年假呢 « 病假几天
  找到 2 个片段，共 9 个：
    [1] 员工手册 第 3 页  总分 22.75，融合 22.00，关键词 20.25，向量 -，覆盖 0.75
        c2  总分 22.75，融合 22.00，关键词 20.25，向量 -，覆盖 0.75
  判断：作答 · 依据充分（sum 4.50）
  发给模型：4 条消息，650/700 个 token（系统 100，历史 200，资料 300，问题 50），sha256 0123456789ab
  放不下：资料 [2]，缩短 无，较早的消息 3 条
  引文：保留 [1]
    去掉 [7]：没有这个编号
    1 句没有资料支持
  用量：输入 640，缓存 128，输出 20（huozi）
  用时（毫秒）：规划 0，检索 12，判断 0，首字 80，作答 401，共 413
"""
BROKEN = IngestFailure("hr/坏.docx", "broken_file", Message("'坏.docx' is broken.", "'坏.docx' 已损坏。"))


def test_search_shows_places_and_texts_when_something_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    engine = FakeEngine()

    code = huozi("search", "年假", "有多少天", "-k", "3", "--filter", "title=员工手册", "-c", "人事", engine=engine)

    assert code == 0
    assert engine.calls == [("search", "年假 有多少天", "人事", 3, {"title": "员工手册"})]
    assert engine.closed
    assert capsys.readouterr().out == (
        "1. 《员工手册》 · 第 3 页 · 第二章 休假 > 年假  (0.912)\n   员工每年享有 5 天年假。𠮷😀\n\n"
    )


def test_search_says_so_on_stderr_when_nothing_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert huozi("search", "x", engine=FakeEngine(hits=())) == 0

    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "没有找到相关内容\n")


def test_search_prints_the_contracts_object_when_json_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    huozi("search", "年假", "--json")

    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"question": "年假", "collection": "default", "hits": [HIT]}
    assert "年假" in captured.out
    assert captured.err == ""


def test_ask_streams_the_answer_and_tells_sources_on_stderr_when_answered(capsys: pytest.CaptureFixture[str]) -> None:
    engine = FakeEngine()

    code = huozi("ask", "年假有多少天", engine=engine)

    captured = capsys.readouterr()
    assert (code, captured.out) == (0, "5 天。[1]\n")
    assert captured.err == (
        "（未连接模型，以下摘自原文）\n\n出处：\n"
        "[1] 《员工手册》 · 第 3 页 · 第二章 休假 > 年假\n    “员工每年享有 5 天年假。”\n"
    )
    assert engine.calls == [("ask", "年假有多少天", (), "default")]
    assert engine.stream_closed


def test_ask_shows_no_sources_when_it_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert huozi("ask", "x", engine=FakeEngine(pieces=("没有找到。",), refused=True)) == 0

    captured = capsys.readouterr()
    assert captured.out == "没有找到。\n"
    assert "出处" not in captured.err


def test_ask_prints_the_contracts_object_when_json_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    huozi("ask", "年假有多少天", "--json")

    captured = capsys.readouterr()
    shown = json.loads(captured.out)
    assert captured.err == ""
    assert {"question", "answer", "refused", "citations", "usage", "model"} <= shown.keys()
    assert shown["citations"] == [CITATION]


def test_ask_tells_how_the_answer_came_about_when_traced(capsys: pytest.CaptureFixture[str]) -> None:
    assert huozi("ask", "那年假呢", "--trace") == 0

    captured = capsys.readouterr()
    assert captured.out == "5 天。[1]\n"
    assert captured.err.partition("\n\n经过 ")[2] == TRACED


def test_trace_is_in_english_when_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    huozi("--lang", "en", "ask", "x", "--trace")

    told = capsys.readouterr().err
    assert "Trace chatcmpl-1 · generated" in told
    assert "dropped [7]: no such source" in told
    assert "Rewritten: 员工的年假有几天" in told


def test_trace_is_in_the_object_when_json_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    huozi("ask", "x", "--trace", "--json")

    captured = capsys.readouterr()
    assert captured.err == ""
    assert json.loads(captured.out)["trace"]["id"] == "chatcmpl-1"
    huozi("ask", "x", "--json")
    assert "trace" not in json.loads(capsys.readouterr().out)


def test_trace_is_told_when_the_answer_fails(capsys: pytest.CaptureFixture[str]) -> None:
    engine = FakeEngine(late_error=HuoziError(Message("It broke.", "中断了。")))

    assert huozi("ask", "x", "--trace", engine=engine) == 1

    captured = capsys.readouterr()
    assert captured.out == "5 天。[1]\n"
    assert "经过 chatcmpl-1" in captured.err
    assert captured.err.endswith("错误：中断了。\n")
    assert engine.stream_closed


def test_trace_that_ends_early_is_shown_as_far_as_it_goes(capsys: pytest.CaptureFixture[str]) -> None:
    nothing = dict.fromkeys(("mode", "plan", "retrieval", "refusal", "prompt", "answer"))
    failed = {**TRACE, **nothing, "error": {"code": "question_empty", "step": "plan"}, "sources": []}

    shown = trace_text({**failed, "timings_ms": {"plan": 0.1, "total": 0.2}}, lambda zh, en: zh)

    assert shown == "经过 chatcmpl-1\n  失败：question_empty（规划）\n  用时（毫秒）：规划 0，共 0"


def test_refusal_after_the_check_is_told_apart_from_one_before() -> None:
    after = trace_text({**TRACE, "mode": "refused"}, lambda zh, en: en)
    before = trace_text({**TRACE, "mode": "refused", "prompt": None}, lambda zh, en: en)

    assert "nothing of the model's answer held: refused" in after
    assert "nothing of" not in before


def test_every_reason_of_the_check_has_words_on_page_and_command_line() -> None:
    strings = (Path(api.cli.__file__).parents[1] / "web" / "static" / "strings.js").read_text("utf-8")
    reasons = set(get_args(DropReason))
    assert set(REASONS) == reasons
    told = [set(re.findall(r"(\w+): \"", block)) for block in re.findall(r"reasons: \{(.*?)\}", strings, re.DOTALL)]
    assert told == [reasons, reasons]


def test_chat_tells_each_answers_trace_when_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("年假呢\n病假呢\n"))

    assert huozi("chat", "--trace") == 0

    assert capsys.readouterr().err.count("经过 chatcmpl-1") == 2


def test_json_stays_readable_when_the_terminal_has_no_unicode(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="gbk"))

    huozi("search", "年假", "--json")

    assert json.loads(raw.getvalue().decode("ascii"))["hits"][0]["text"] == HIT["text"]


def test_ingest_tells_counts_and_ends_with_0_when_all_went_in(capsys: pytest.CaptureFixture[str]) -> None:
    engine = FakeEngine(report=IngestReport(added=2, skipped=1, chunks=9, seconds=1.25))

    code = huozi("ingest", "a.txt", "b/", "-c", "人事", "--delete-missing", engine=engine)

    assert code == 0
    assert engine.calls == [("ingest", ("a.txt", "b/"), "人事", True)]
    assert capsys.readouterr().out == ("新增 2，更新 0，未变 1，删除 0，失败 0；写入 9 个片段，用时 1.2 秒\n")


def test_ingest_ends_with_1_and_names_the_file_when_one_failed(capsys: pytest.CaptureFixture[str]) -> None:
    report = IngestReport(added=1, failed=[BROKEN], warnings=[("表.html", Message("odd", "表格不完整"))])

    code = huozi("ingest", "hr", engine=FakeEngine(report=report))

    captured = capsys.readouterr()
    assert code == 1
    assert captured.err == "注意：表.html: 表格不完整\n失败：hr/坏.docx: '坏.docx' 已损坏。\n"


def test_ingest_prints_the_contracts_object_when_json_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    report = IngestReport(added=1, failed=[BROKEN], chunks=4, seconds=0.5)

    code = huozi("--lang", "en", "ingest", "hr", "--json", engine=FakeEngine(report=report))

    assert code == 1
    assert json.loads(capsys.readouterr().out) == {
        "added": 1, "updated": 0, "skipped": 0, "moved": 0, "deleted": 0, "chunks": 4, "seconds": 0.5,
        "failed": [{"source": "hr/坏.docx", "code": "broken_file", "message": "'坏.docx' is broken."}],
    }  # fmt: skip


def test_chat_carries_the_conversation_when_questions_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine()
    monkeypatch.setattr(sys, "stdin", io.StringIO("年假呢\n\n病假呢\n/new\n婚假呢\n/quit\n产假呢\n"))

    assert huozi("chat", engine=engine) == 0

    asked = [(call[1], [(turn.role, turn.text) for turn in call[2]]) for call in engine.calls]
    assert asked == [
        ("年假呢", []),
        ("病假呢", [("user", "年假呢"), ("assistant", "5 天。[1]")]),
        ("婚假呢", []),
    ]


def test_chat_ends_when_the_input_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))

    assert huozi("chat") == 0


def test_collections_are_aligned_when_names_are_chinese(capsys: pytest.CaptureFixture[str]) -> None:
    huozi("--lang", "en", "collections", "list")

    head, row = capsys.readouterr().out.splitlines()
    assert head.startswith("name      documents  chunks")
    assert row.startswith("人事制度  2          9")


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (("collections", "create", "财务"), ("create_collection", "财务")),
        (("collections", "show", "财务"), ("show_collection", "财务")),
        (("collections", "delete", "财务", "-y"), ("delete_collection", "财务")),
        (("documents", "list", "-c", "财务"), ("list_documents", "财务")),
        (("documents", "show", "d1"), ("show_document", "d1", "default")),
        (("documents", "delete", "d1"), ("delete_document", "d1", "default")),
        (("keys", "revoke", "key_1"), ("revoke_key", "key_1")),
        (("doctor", "--repair"), ("check", True)),
    ],
)
def test_a_command_reaches_the_engine_when_it_is_run(
    words: tuple[str, ...], call: tuple[object, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    plain, as_json = FakeEngine(), FakeEngine()

    assert huozi(*words, engine=plain) == 0
    shown = capsys.readouterr().out
    assert huozi(*words, "--json", engine=as_json) == 0

    assert plain.calls[-1] == as_json.calls[-1] == call
    assert shown.strip()
    assert isinstance(json.loads(capsys.readouterr().out), dict)


def test_document_text_is_all_of_stdout_when_it_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    huozi("documents", "show", "d1", "--text")

    assert capsys.readouterr().out == f"{DOCUMENT['text']}\n"


def test_tables_are_markdown_when_it_is_wanted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DOCUMENT, "text", "城市: 北京 | 上限: 500元\n城市: 上海 | 上限: 400元")
    huozi("documents", "show", "d1", "--markdown")

    assert capsys.readouterr().out == "| 城市 | 上限 |\n| --- | --- |\n| 北京 | 500元 |\n| 上海 | 400元 |\n"


def test_a_new_key_alone_is_on_stdout_when_it_is_created(capsys: pytest.CaptureFixture[str]) -> None:
    huozi("keys", "create", "前端")

    captured = capsys.readouterr()
    assert captured.out == "hz-shown-once\n"
    assert captured.err == "已新建密钥 前端（key_1），请妥善保存，以后不再显示：\n"


def test_doctor_ends_with_1_when_something_disagrees(capsys: pytest.CaptureFixture[str]) -> None:
    assert huozi("doctor", engine=FakeEngine(healthy=False)) == 1
    assert capsys.readouterr().out == (
        "集合 人事制度：关键词索引缺少 2 个片段\n有问题（2 个文档，9 个片段）；用 `huozi doctor --repair` 修复\n"
    )


def test_doctor_ends_with_0_when_it_mended_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert huozi("doctor", "--repair", engine=FakeEngine(healthy=False)) == 0
    assert "（已修复）\n一切正常：2 个文档，9 个片段" in capsys.readouterr().out


def test_doctor_has_words_for_every_problem_when_kinds_are_added() -> None:
    from typing import get_args

    from api.cli.doctor import words
    from retrieval.doctor import ProblemKind

    assert words(lambda _zh, en: en).keys() == set(get_args(ProblemKind))


def test_a_text_that_breaks_off_keeps_its_line_and_ends_with_1_when_the_model_fails(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Failing(FakeEngine):
        def ask(self, *_: object, **options: object) -> Iterator[dict[str, Any]]:  # type: ignore[override]
            yield {"type": "text", "text": "员工每年"}
            raise HuoziError(Message("The model server is gone.", "模型服务已断开。"))

    code = huozi("ask", "年假", engine=Failing())

    captured = capsys.readouterr()
    assert (code, captured.out, captured.err) == (1, "员工每年\n", "错误：模型服务已断开。\n")


def test_watching_and_json_exclude_each_other_when_both_are_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    assert huozi("ingest", "x", "--watch", "--json") == 2
    assert "--watch 和 --json 不能同时使用" in capsys.readouterr().err


def test_settings_in_effect_are_shown_with_secrets_masked_when_debugging(capsys: pytest.CaptureFixture[str]) -> None:
    huozi("--debug", "--set", "llm.api_key=sk-geheim", "keys", "list")

    told = capsys.readouterr().err
    assert "HUOZI_LLM__API_KEY=***\n" in told
    assert "sk-geheim" not in told
