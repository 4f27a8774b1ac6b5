"""A parser that takes too long, too much or lies is stopped: its file fails alone, the service goes on answering."""

import threading
import time
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.settings import Settings
from api.wiring import build_ingestor
from ingest.errors import IngestError
from ingest.sandbox import ahead
from ingest.sandbox import child as child_module
from ingest.sandbox.ahead import Parser
from ingest.sandbox.child import Child
from ingest.sandbox.parse import ParseJob
from ingest.settings import IngestSettings, LoadSettings
from tests.hurt_worker import START, count_starts
from tests.unit.api.service import running

QUICK = LoadSettings(max_seconds=2.0, max_memory_mb=256)
APART = IngestSettings(parse_apart="always", load=QUICK)


@pytest.fixture(autouse=True)
def hurt(monkeypatch):
    monkeypatch.setattr(child_module, "_START", START)


@pytest.fixture
def starts(monkeypatch):
    """Count the workers that are started."""
    return count_starts(monkeypatch)


def parse_all(*contents, settings=APART):
    """Return what became of each content: its text, or its error's code and English words."""
    jobs = [(number, ParseJob(f"{number}.txt", content.encode())) for number, content in enumerate(contents)]
    with Parser(settings) as parser:
        results = list(parser.parse_all(jobs))
    assert [number for number, _ in results] == list(range(len(contents)))
    return [
        (result.code, result.message.en) if isinstance(result, IngestError) else result.document.text
        for _, result in results
    ]


TIME, MEMORY = "the limit of 2 seconds.", "the limit of 256 MB of memory."


@pytest.mark.parametrize(
    ("mark", "code", "words", "n_workers"),
    [
        ("!hang", "parser_limit", TIME, 2),
        ("!spin", "parser_limit", TIME, 2),  # Python's lock is held all the while.
        ("!deaf", "parser_limit", TIME, 2),  # It has switched its own timer off.
        ("!eat", "parser_limit", MEMORY, 1),
        ("!kill", "parser_crashed", "crashed (SIGKILL).", 2),
        ("!exit", "parser_crashed", "crashed (exit status 3).", 2),
        ("!garble", "parser_crashed", "crashed (it does not speak our language).", 2),
        ("!long", "parser_crashed", "crashed (it does not speak our language).", 2),
    ],
)
def test_one_file_fails_with_its_reason_when_its_parser_misbehaves(starts, mark, code, words, n_workers):
    outcomes = parse_all("一。", "二。", mark, "四。", "五。")

    assert outcomes[:2] + outcomes[3:] == ["一。", "二。", "四。", "五。"]
    assert outcomes[2][0] == code and outcomes[2][1].endswith(words)
    assert len(starts) == n_workers


def test_each_of_many_fails_alone_when_all_misbehave(starts):
    outcomes = parse_all(*["!exit"] * 12, "好。", "!hang", "!kill", "也好。")

    assert [outcome if isinstance(outcome, str) else outcome[0] for outcome in outcomes] == (
        ["parser_crashed"] * 12 + ["好。", "parser_limit", "parser_crashed", "也好。"]
    )
    assert len(starts) == 15


def test_nothing_fails_when_a_worker_retires_after_a_heavy_document(starts):
    roomy = IngestSettings(parse_apart="always", load=LoadSettings(max_memory_mb=2048))

    assert parse_all("一。", "!fat 二。", "三。", "!fat 四。", "五。", settings=roomy) == [
        "一。",
        "!fat 二。",
        "三。",
        "!fat 四。",
        "五。",
    ]
    assert len(starts) == 3


def test_large_files_behind_a_hang_are_parsed_when_the_pipe_is_full():
    large = "年假五天。\n" * 100_000

    outcomes = parse_all("!hang", large, large, "短。")

    assert outcomes[0][0] == "parser_limit"
    assert [len(text) for text in outcomes[1:]] == [len(large.strip()), len(large.strip()), 2]


def test_files_that_may_do_harm_fail_when_workers_start_no_more(monkeypatch, caplog):
    class Once(Child):
        count = 0

        def __init__(self, settings):
            Once.count += 1
            if Once.count > 1:
                raise OSError("no more processes")
            super().__init__(settings)

    monkeypatch.setattr(ahead, "Child", Once)
    page = "<html><body>年假</body></html>"

    outcomes = parse_all("一。", "!exit", "二。", page)

    assert outcomes[0] == "一。" and outcomes[2] == "二。"
    assert outcomes[1][0] == outcomes[3][0] == "parser_crashed"
    assert "no worker process could be started" in outcomes[3][1]
    assert "files other than plain text fail" in caplog.text


@pytest.mark.parametrize(("name", "content", "is_apart"), [
    ("a.txt", "年假五天。", False),
    ("a.md", "# 年假", True),
    ("a.html", "<p>年假</p>", True),
    ("a.txt", "<html><p>年假</p>", True),
    ("a.csv", "天数,说明\n5,年假", True),
    ("a.txt", "PK\x03\x04", True),
    ("a.txt", "%PDF-1.4", True),
])  # fmt: skip
def test_only_plain_text_is_parsed_here_when_a_run_is_short(starts, name, content, is_apart):
    with Parser(IngestSettings()) as parser:
        list(parser.parse_all([(0, ParseJob(name, content.encode()))]))

    assert bool(starts) == is_apart


def test_worker_is_used_for_what_may_do_harm_when_there_is_one_core(starts, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    texts = [(number, ParseJob(f"{number}.txt", "年假。".encode())) for number in range(40)]
    with Parser(IngestSettings()) as parser:
        assert len(list(parser.parse_all(texts))) == 40 and not starts
        assert len(list(parser.parse_all([(0, ParseJob("a.md", "# 年假".encode()))]))) == 1 and len(starts) == 1


def test_service_answers_while_a_parser_hangs(tmp_path):
    settings = Settings(
        data_dir=tmp_path / "data", embedder="none", port=0, parse=LoadSettings(max_seconds=6.0, max_seconds_per_mb=0)
    )
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("第五条 员工每年享受五天带薪年休假。", "utf-8")
    app = create_app(settings)
    with running(app) as url:
        ingestor = build_ingestor(settings, app.state.parts.folder)
        assert ingestor.ingest([tmp_path / "docs"]).added == 1
        (tmp_path / "docs" / "b.md").write_text("# !hang", "utf-8")
        (tmp_path / "docs" / "c.md").write_text("# 病假\n\n病假另计。", "utf-8")
        reports = []
        run = threading.Thread(target=lambda: reports.append(ingestor.ingest([tmp_path / "docs"])))
        started = time.monotonic()
        run.start()
        answers = []
        while run.is_alive() and time.monotonic() < started + 60:
            answers.append(ask(url))
            time.sleep(0.2)
        run.join()

    (report,) = reports
    assert len(answers) > 3 and set(answers) == {(200, True)}
    assert [(Path(one.source).name, one.code) for one in report.failed] == [("b.md", "parser_limit")]
    assert (report.added, report.skipped) == (1, 1)


def ask(url: str) -> tuple[int, bool]:
    """Return the status of an answer, and whether it says what the document does."""
    body = {"model": "huozi-rag", "messages": [{"role": "user", "content": "每年享受多少天带薪年休假？"}]}
    reply = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=30)
    return reply.status_code, "五天" in reply.text
