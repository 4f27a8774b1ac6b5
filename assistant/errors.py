"""What can go wrong while answering.

    HuoziError
    ├── AnswerError
    │   ├── ModelServerError             the model server is why there is no answer
    │   │   ├── ModelServerDownError     nobody answers there
    │   │   ├── ModelServerSlowError     silent for too long
    │   │   ├── ModelServerGarbageError  its stream is not what the OpenAI protocol says, or broke off
    │   │   ├── ModelAnswerEmptyError    the model wrote not a word
    │   │   ├── ModelAnswerRepeatsError  it only repeats itself
    │   │   └── ModelServerRefusedError  it answered with an error
    │   ├── ChatTemplateError            a conversation that the model cannot take
    │   ├── PromptTooLongError           the question alone does not fit into the window
    │   └── TokenizeUnsupportedError     the model server does not count tokens
    ├── EvaluationError                  a folder that cannot be evaluated
    ├── ProfileError                     no such model profile, or its file cannot be used
    └── GpuError                         GPUs that cannot be read, or none

Messages name the server without user, password or query; they never hold a prompt.
"""

from __future__ import annotations

from retrieval.errors import HuoziError, Message, SettingsError

_CHECK_SERVER = Message(
    en="Check that the model server runs and that HUOZI_LLM__BASE_URL is its address;"
    " unset HUOZI_LLM__BASE_URL to answer with quoted sentences and no model.",
    zh="请确认模型服务已启动、HUOZI_LLM__BASE_URL 是它的地址；不设 HUOZI_LLM__BASE_URL 则直接摘录原文作答，不用模型。",
)
_STATUS_HINTS = {
    401: Message(
        en="Set HUOZI_LLM__API_KEY to a key that it accepts.", zh="请把 HUOZI_LLM__API_KEY 设为它认可的密钥。"
    ),
    404: Message(
        en="Set HUOZI_LLM__MODEL to a model that it serves and HUOZI_LLM__BASE_URL to its path, usually ending in /v1.",
        zh="请把 HUOZI_LLM__MODEL 设为它提供的模型名，并确认 HUOZI_LLM__BASE_URL 的路径（通常以 /v1 结尾）。",
    ),
    422: Message(
        en="It takes OpenAI's own fields alone, as `transformers serve` does: set HUOZI_LLM__SEND_STOP_IDS=false.",
        zh="它只接受 OpenAI 自己的字段（`transformers serve` 就是这样）：请设 HUOZI_LLM__SEND_STOP_IDS=false。",
    ),
    429: Message(en="It is overloaded; try again later.", zh="它现在太忙，请稍后再试。"),
    500: Message(en="Look into the model server's log, and try again.", zh="请查看模型服务的日志后重试。"),
    400: Message(
        en="Ask a shorter question, or check that HUOZI_LLM__PROFILE fits the model.",
        zh="请缩短问题，或确认 HUOZI_LLM__PROFILE 与模型相符。",
    ),
}


class AnswerError(HuoziError):
    """No answer could be made."""

    code = "answer_error"


class ChatTemplateError(AnswerError):
    """A conversation that the model cannot take, or a chat template that cannot be used."""

    code = "bad_conversation"


class PromptTooLongError(AnswerError):
    """The question alone, or a chat model's prompt, does not fit into the model's window."""

    code = "prompt_too_long"


class TokenizeUnsupportedError(AnswerError):
    """The model server has no `/tokenize`, so that tokens cannot be counted exactly."""

    code = "tokenize_unsupported"


class ModelServerError(AnswerError):
    """The model server is why there is no answer."""

    code = "model_server_error"
    retryable = True


class ModelServerDownError(ModelServerError):
    """Nobody answers at the model server's address."""

    code = "model_server_down"


class ModelServerSlowError(ModelServerError):
    """The model server was silent for too long."""

    code = "model_server_slow"


class ModelServerGarbageError(ModelServerError):
    """The model server's stream broke off or cannot be read."""

    code = "model_server_garbage"


class ModelAnswerEmptyError(ModelServerError):
    """The model ended its answer without a word."""

    code = "model_answer_empty"


class ModelAnswerRepeatsError(ModelServerError):
    """The model said the same over and over, and nothing that could be kept."""

    code = "model_answer_repeats"


class ModelServerRefusedError(ModelServerError):
    """The model server answered with an error.

    Args:
        message: What it said.
        hint: What to do.
        status: Its HTTP status, or None for an error inside a stream.
    """

    code = "model_server_refused"

    def __init__(self, message: Message, *, hint: Message | None = None, status: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.retryable = status is None or status == 429 or status >= 500


def no_model_server() -> SettingsError:
    """Build the error for a chat model without an address; the SDK's own default would be OpenAI's."""
    return SettingsError(
        Message(en="The chat model has no server's address.", zh="没有指定模型服务的地址。"),
        hint=Message(
            en="Pass base_url, or set HUOZI_LLM__BASE_URL, e.g. http://127.0.0.1:8000/v1.",
            zh="请传入 base_url，或设置 HUOZI_LLM__BASE_URL，例如 http://127.0.0.1:8000/v1。",
        ),
    )


def tokenize_unsupported(url: str) -> TokenizeUnsupportedError:
    """Build the error for a server that does not count tokens."""
    return TokenizeUnsupportedError(
        Message(en=f"The model server has no {url!r}, as vLLM does.", zh=f"模型服务没有 vLLM 那样的 {url!r} 接口。"),
        hint=Message(
            en="Serve the model with vLLM to count exactly, or count approximately:"
            " langchain_core.messages.utils.count_tokens_approximately.",
            zh="要精确计数，请用 vLLM 提供模型；"
            "近似计数可用 langchain_core.messages.utils.count_tokens_approximately。",
        ),
    )


def server_down(url: str) -> ModelServerDownError:
    """Build the error for a server that cannot be reached."""
    return ModelServerDownError(
        Message(en=f"The model server at {url!r} does not answer.", zh=f"模型服务 {url!r} 没有应答。"),
        hint=_CHECK_SERVER,
    )


def server_slow(url: str, timeout_s: float) -> ModelServerSlowError:
    """Build the error for a server that fell silent."""
    return ModelServerSlowError(
        Message(
            en=f"The model server at {url!r} sent nothing for {timeout_s:g} s.",
            zh=f"模型服务 {url!r} 已有 {timeout_s:g} 秒没有输出。",
        ),
        hint=Message(
            en="Try again, or raise HUOZI_LLM__TIMEOUT_S if the model is that slow.",
            zh="请重试；如果模型本来就这么慢，请调大 HUOZI_LLM__TIMEOUT_S。",
        ),
    )


def server_garbage(url: str) -> ModelServerGarbageError:
    """Build the error for a stream that broke off or cannot be read."""
    return ModelServerGarbageError(
        Message(
            en=f"The model server at {url!r} broke off or sent what is not an OpenAI stream; the answer is incomplete.",
            zh=f"模型服务 {url!r} 的输出中断，或不是 OpenAI 格式的数据流；以上回答不完整。",
        ),
        hint=Message(
            en="Try again; if it happens again, look into the model server's log.",
            zh="请重试；如果再次出现，请查看模型服务的日志。",
        ),
    )


def answer_empty(url: str, finish_reason: str) -> ModelAnswerEmptyError:
    """Build the error for an answer without a word."""
    return ModelAnswerEmptyError(
        Message(
            en=f"The model at {url!r} ended its answer without a word (finish_reason {finish_reason!r}).",
            zh=f"{url!r} 的模型一个字也没有写就结束了回答（finish_reason 为 {finish_reason!r}）。",
        ),
        hint=Message(
            en="Ask again; if it happens again, check the server's chat template, or raise HUOZI_LLM__MAX_TOKENS if the"
            " model spends them on thinking.",
            zh="请重试；如果再次出现，请检查模型服务的对话模板；如果模型把词元都用在了思考上，"
            "请调大 HUOZI_LLM__MAX_TOKENS。",
        ),
    )


def answer_repeats(url: str) -> ModelAnswerRepeatsError:
    """Build the error for an answer of which nothing is left without its repetitions."""
    return ModelAnswerRepeatsError(
        Message(
            en=f"The model at {url!r} repeated itself without end; nothing that it wrote could be kept.",
            zh=f"{url!r} 的模型不停地重复同样的话，没有可以保留的内容。",
        ),
        hint=Message(
            en="Ask in other words; if it happens often, raise HUOZI_LLM__TEMPERATURE, or check the server's chat"
            " template.",
            zh="请换个问法；如果经常出现，请调高 HUOZI_LLM__TEMPERATURE，或检查模型服务的对话模板。",
        ),
    )


def server_refused(url: str, status: int | None, reason: str) -> ModelServerRefusedError:
    """Build the error for a server that answered with an error of its own."""
    said = f" {status}" if status is not None else ""
    told = f": {reason.rstrip('.。')}" if reason else ""
    return ModelServerRefusedError(
        Message(
            en=f"The model server at {url!r} refused the request with error{said}{told}.",
            zh=f"模型服务 {url!r} 拒绝了请求，错误{said}{told}。",
        ),
        hint=_hint_for(status),
        status=status,
    )


def chat_template_refused(message: Message) -> ChatTemplateError:
    """Build the error for what a chat template refuses."""
    return ChatTemplateError(
        message,
        hint=Message(en="docs/template.md lists what the model takes.", zh="模型能接受什么，见 docs/template.md。"),
    )


def prompt_too_long(
    question_tokens: int, system_tokens: int, answer_tokens: int, window_tokens: int
) -> PromptTooLongError:
    """Build the error for a question that leaves no room in the window."""
    over = question_tokens + system_tokens + answer_tokens - window_tokens
    return PromptTooLongError(
        Message(
            en=f"The question takes {question_tokens:,} tokens, the instructions {system_tokens:,}, and "
            f"{answer_tokens:,} are kept free for the answer: {over:,} more than the model's window of "
            f"{window_tokens:,} holds.",
            zh=f"问题占 {question_tokens:,} 个词元，指令占 {system_tokens:,} 个，回答预留 {answer_tokens:,} 个，"
            f"比模型 {window_tokens:,} 个词元的窗口多出 {over:,} 个。",
        ),
        hint=Message(
            en="Ask a shorter question, ask for a shorter answer (max_tokens), or raise HUOZI_LLM__WINDOW_TOKENS if the"
            " model's window is larger.",
            zh="请缩短问题，或减小回答长度（max_tokens）；如果模型的窗口更大，请调大 HUOZI_LLM__WINDOW_TOKENS。",
        ),
    )


def tokenizer_unreadable(path: str, reason: str) -> SettingsError:
    """Build the error for a tokenizer file that cannot be used."""
    said = " ".join(reason.split())[:200].rstrip(".。")
    return SettingsError(
        Message(
            en=f"HUOZI_LLM__TOKENIZER names {path!r}, which is no tokenizer file: {said}.",
            zh=f"HUOZI_LLM__TOKENIZER 指定的 {path!r} 不是可用的分词器文件：{said}。",
        ),
        hint=Message(
            en="Set it to the tokenizer.json that is published with the model, or unset it.",
            zh="请设为随模型发布的 tokenizer.json，或去掉这项设置。",
        ),
    )


def _hint_for(status: int | None) -> Message:
    if status is None or status >= 500:
        return _STATUS_HINTS[500]
    return _STATUS_HINTS.get(401 if status == 403 else status, _STATUS_HINTS[400])


class ProfileError(HuoziError):
    """There is no such model profile, or its file cannot be used."""

    code = "bad_profile"


class GpuError(HuoziError):
    """The GPUs named cannot be read, or none are found."""

    code = "bad_gpus"


class EvaluationError(HuoziError):
    """A folder that cannot be evaluated."""

    code = "bad_evaluation_folder"
