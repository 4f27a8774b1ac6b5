"""What a model server was found to be, beside what the settings say it is (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from retrieval.errors import HuoziError, Message

Template = Literal["ours", "published", "other", "missing", "unknown"]


@dataclass(frozen=True, slots=True)
class ServerProblem:
    """Something about a model server that its user should know.

    Args:
        code: Stable name.
        message: What is wrong.
        hint: The next step.
        is_fatal: Whether no answer can come from it; otherwise answers come, but worse ones.
    """

    code: str
    message: Message
    hint: Message
    is_fatal: bool = True


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What was found at the address of `HUOZI_LLM__BASE_URL`.

    Args:
        url: The address, without user and password.
        is_reachable: Whether anybody answers there.
        served: Names of the models that it serves.
        window_tokens: Its window, prompt and answer together; None where it does not say.
        template: Its chat template: `ours` (the profile's), `published` (roles as they come), `other`, `missing`, or
            `unknown` where it cannot be asked.
        problems: What is wrong, the gravest first.
    """

    url: str
    is_reachable: bool = False
    served: tuple[str, ...] = ()
    window_tokens: int | None = None
    template: Template = "unknown"
    problems: tuple[ServerProblem, ...] = ()

    @property
    def status(self) -> Literal["ok", "warning", "failed"]:
        """`failed`: no answer can come from it; `warning`: answers come, but something is wrong."""
        if any(problem.is_fatal for problem in self.problems):
            return "failed"
        return "warning" if self.problems else "ok"


def problem_of(error: HuoziError) -> ServerProblem:
    """Return an error as a problem."""
    return ServerProblem(error.code, error.message, error.hint or Message(en="", zh=""))


def not_openai(url: str) -> ServerProblem:
    """Somebody answers, but no OpenAI-compatible server."""
    return ServerProblem(
        "not_openai",
        Message(
            en=f"What answers at {url!r} is no OpenAI-compatible server: its /models is no list of models.",
            zh=f"{url!r} 处应答的不是 OpenAI 兼容的服务：它的 /models 不是模型列表。",
        ),
        Message(
            en="Set HUOZI_LLM__BASE_URL to the model server's path, usually ending in /v1.",
            zh="请把 HUOZI_LLM__BASE_URL 设为模型服务的路径，通常以 /v1 结尾。",
        ),
    )


def wrong_model(url: str, wanted: str, served: Sequence[str]) -> ServerProblem:
    """The server serves other models."""
    names = ", ".join(map(repr, served))
    return ServerProblem(
        "model_not_served",
        Message(
            en=f"The model server at {url!r} does not serve {wanted!r}; it serves {names or 'no model'}.",
            zh=f"模型服务 {url!r} 没有模型 {wanted!r}，它提供的是：{names or '无'}。",
        ),
        Message(
            en=f"Set HUOZI_LLM__MODEL to one of them, or start vLLM with --served-model-name {wanted}.",
            zh=f"请把 HUOZI_LLM__MODEL 设为其中之一，或用 --served-model-name {wanted} 启动 vLLM。",
        ),
    )


def small_window(url: str, window: int, configured: int) -> ServerProblem:
    """The server's window is smaller than the one in the settings."""
    return ServerProblem(
        "window_smaller",
        Message(
            en=f"The window of the model server at {url!r} is {window} tokens, not {configured}; {window} are used.",
            zh=f"模型服务 {url!r} 的窗口是 {window} 个词元，不是 {configured} 个；按 {window} 个使用。",
        ),
        Message(
            en=f"Start vLLM with --max-model-len {configured}, or set HUOZI_LLM__WINDOW_TOKENS={window}.",
            zh=f"请用 --max-model-len {configured} 启动 vLLM，或设 HUOZI_LLM__WINDOW_TOKENS={window}。",
        ),
        is_fatal=False,
    )


def wrong_template(url: str, found: Template, path: Path) -> ServerProblem | None:
    """The server renders conversations in another way than the profile's template; None where that is not known."""
    said = {
        "missing": Message(
            en=f"The model server at {url!r} has no chat template.", zh=f"模型服务 {url!r} 没有对话模板。"
        ),
        "published": Message(
            en=f"The model server at {url!r} runs the template published with the model: it passes the roles 'system' "
            "and 'user' on, which the model never saw in training, and documents can forge turns.",
            zh=f"模型服务 {url!r} 用的是随模型发布的对话模板：它照写 system、user 等角色名，而模型训练时没见过它们，"
            "并且文档内容可以伪造对话轮次。",
        ),
        "other": Message(
            en=f"The model server at {url!r} runs another chat template than {path.name!r}.",
            zh=f"模型服务 {url!r} 用的对话模板不是 {path.name!r}。",
        ),
    }
    if found not in said:
        return None
    return ServerProblem(
        f"template_{found}",
        said[found],
        Message(
            en=f"Start it with `huozi model serve`, or vLLM with --chat-template {path}.",
            zh=f"请用 `huozi model serve` 启动，或给 vLLM 加上 --chat-template {path}。",
        ),
        is_fatal=found == "missing",
    )
