"""Ollama: a Modelfile with huozi's format in Go's template language, created in a running or a new server.

A Go template cannot take control tokens out of content, as our Jinja template does. `huozi` itself neutralises what
it sends; clients that talk to Ollama directly are not protected.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.serving.engines import SERVED_NAME, Command, ServeOptions, check_open, unfit, url_of, window_of
from assistant.serving.engines.llamacpp import need_gguf
from retrieval.errors import Message

if TYPE_CHECKING:
    from assistant.serving.profile import Profile
    from assistant.serving.weights import Weights

BEGIN, END = "<|beginofutterance|>", "<|endofutterance|>"


def command(
    profile: Profile, weights: Weights, options: ServeOptions, *, program: Path, modelfile: Path, is_running: bool
) -> Command:
    """Return how Ollama serves the model.

    Args:
        profile: The model.
        weights: A GGUF file.
        options: What the user chose.
        program: `ollama`.
        modelfile: Where `modelfile_text` was written.
        is_running: Whether an Ollama answers at the address: it is then used, and no other is started.

    Raises:
        EngineUnfitError, OpenServerError: If it cannot do what is asked, or would be open to the network.
    """
    check_open("ollama", options)
    root = url_of(options)
    create = (str(program), "create", SERVED_NAME, "-f", str(modelfile))
    return Command(
        engine="ollama",
        argv=create if is_running else (str(program), "serve"),
        env={"OLLAMA_HOST": root.removeprefix("http://")},
        ready_url=f"{root}/api/version",
        base_url=f"{root}/v1",
        then=() if is_running else (create,),
    )


def modelfile_text(profile: Profile, weights: Weights, options: ServeOptions) -> str:
    """Return the Modelfile.

    Raises:
        EngineUnfitError: If the weights are no GGUF file, or the profile's format is not huozi's.
    """
    need_gguf("ollama", weights)
    lines = [
        f"FROM {weights.path}",
        f'TEMPLATE """{go_template(profile)}"""',
        f"PARAMETER num_ctx {window_of(profile, options)}",
        *(f"PARAMETER stop {json.dumps(word, ensure_ascii=False)}" for word in stops(profile)),
    ]
    sampling = profile.sampling
    chosen = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "repeat_penalty": sampling.repetition_penalty,
        "num_gpu": options.gpu_layers,
    }
    lines += [f"PARAMETER {name} {value:g}" for name, value in chosen.items() if value is not None]
    return "\n".join(lines) + "\n"


def stops(profile: Profile) -> tuple[str, ...]:
    """Return the strings that end a turn: Ollama has no stop ids, but sees control tokens as text."""
    ends = tuple(token for token in profile.control_tokens if token == END)
    return tuple(dict.fromkeys([*profile.stop, *ends]))


def go_template(profile: Profile) -> str:
    """Return huozi's chat format as a Go template, with tools in the form that the model server's parser reads.

    Raises:
        EngineUnfitError: If the profile's format is another one.
    """
    if BEGIN not in profile.control_tokens:
        raise unfit(
            "ollama",
            Message(en=f"has no template for {profile.name}", zh=f"没有 {profile.name} 的模板"),
            Message(
                en="Use --engine llama.cpp, which takes our own.", zh="请用 --engine llama.cpp，它使用我们的模板。"
            ),
        )
    system, user, assistant = (profile.roles[role] for role in ("system", "user", "assistant"))
    return (
        "{{- if or .System .Tools }}" + BEGIN + system + "\n"
        "{{ .System }}"
        "{{- if .Tools }}{{ if .System }}\n\n{{ end }}" + TOOLS_HEAD + "\n<tools>\n"
        "{{- range .Tools }}\n{{ . }}{{ end }}\n</tools>\n\n" + TOOLS_TAIL + "{{ end }}" + END + "\n"
        "{{ end }}"
        "{{- range .Messages }}"
        '{{- if eq .Role "user" }}' + BEGIN + user + "\n{{ .Content }}" + END + "\n"
        '{{ else if eq .Role "assistant" }}' + BEGIN + assistant + "\n{{ .Content }}"
        '{{- range .ToolCalls }}<tool_call>\n{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}'
        "\n</tool_call>{{ end }}" + END + "\n"
        '{{ else if eq .Role "tool" }}'
        + BEGIN
        + user
        + "\n<tool_response>\n{{ .Content }}\n</tool_response>"
        + END
        + "\n"
        "{{ end }}"
        "{{- end }}" + BEGIN + assistant + "\n"
    )


TOOLS_HEAD = "# 工具\n\n回答时可以调用下列工具，每行是一个工具的 JSON 定义："
TOOLS_TAIL = (
    "要调用工具，就写出工具名和参数，每次调用一段：\n<tool_call>\n"
    '{"name": "工具名", "arguments": {"参数名": "参数值"}}\n</tool_call>\n'
    "工具的结果随后写在 <tool_response> 与 </tool_response> 之间。"
)
