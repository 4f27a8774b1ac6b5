"""What the commands say about the model server that answers come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.cli.language import Say
from retrieval.errors import Language

if TYPE_CHECKING:
    from assistant.serving.server_report import ServerReport


def problem_lines(report: ServerReport, say: Say) -> list[str]:
    """Return each problem in a line, with the next step."""
    texts = [(problem.message, problem.hint) for problem in report.problems]
    return [say(message.zh + hint.zh, f"{message.en} {hint.en}".rstrip()) for message, hint in texts]


def good_line(report: ServerReport, say: Say) -> str:
    """Return what is known of a server with which nothing is wrong."""
    window = report.window_tokens
    known_zh, known_en = (f"，窗口 {window} 个词元", f", window {window} tokens") if window else ("", "")
    return say(f"模型服务正常：{report.url}{known_zh}", f"The model server is well: {report.url}{known_en}")


def report_object(report: ServerReport, language: Language) -> dict[str, Any]:
    """Return the report for `--json`."""
    return {
        "status": report.status,
        "url": report.url,
        "served": list(report.served),
        "window_tokens": report.window_tokens,
        "template": report.template,
        "problems": [
            {
                "code": problem.code,
                "message": problem.message.render(language),
                "hint": problem.hint.render(language),
            }
            for problem in report.problems
        ],
    }
