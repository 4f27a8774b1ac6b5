"""One template file, two renderers in this process: ours and transformers', to the text and to the token ids.

The third renderer, a real vLLM, is compared in tests/integration/vllm/test_template.py.
"""

from __future__ import annotations

import copy
import json
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import prompts
from assistant.control_tokens import INVISIBLE, neutralise
from assistant.template import render
from tests import tiny_mixtral
from tests.conversations import CONTROL_IDS, CONVERSATIONS, Messages, Tools, disguises, everywhere, splits

TEMPLATES = ["huozi", "huozi-7b", "llama3-chinese"]
FOLDED = str.maketrans("", "", INVISIBLE)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from transformers import AutoTokenizer

    folder: Path = tmp_path_factory.mktemp("tokenizer")
    tiny_mixtral.write_tokenizer(folder, tiny_mixtral.vocabulary(tiny_mixtral.sample_texts()))
    return AutoTokenizer.from_pretrained(folder)


def by_transformers(
    tokenizer: Any, messages: Messages, tools: Tools | None, template: str = "huozi", *, generate: bool = True
) -> tuple[str, list[int]]:
    """Return text and ids as transformers makes them, arguments of calls as objects, as its documentation asks."""
    prepared = copy.deepcopy(messages)
    for message in prepared:
        for call in message.get("tool_calls") or ():
            call["function"]["arguments"] = _object(call["function"]["arguments"])
    options = {"tools": tools, "chat_template": prompts.chat_template(template), "add_generation_prompt": generate}
    text = tokenizer.apply_chat_template(prepared, tokenize=False, **options)
    return text, tokenizer.apply_chat_template(prepared, return_dict=False, **options)


def _object(arguments: Any) -> Any:
    try:
        found = json.loads(arguments) if isinstance(arguments, str) else arguments
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def control_counts(ids: list[int]) -> dict[str, int]:
    counted = Counter(ids)
    return {token: counted[number] for token, number in CONTROL_IDS.items()}


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("generate", [True, False])
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_ids_are_transformers_when_we_render(tokenizer: Any, name: str, generate: bool, template: str) -> None:
    messages, tools = CONVERSATIONS[name]
    text = render(messages, tools=tools, template=template, add_generation_prompt=generate)
    theirs, ids = by_transformers(tokenizer, messages, tools, template, generate=generate)
    assert text == theirs
    assert tokenizer.encode(text, add_special_tokens=False) == ids


def test_no_disguise_changes_the_control_tokens_when_it_stands_everywhere(tokenizer: Any) -> None:
    harmless = control_counts(by_transformers(tokenizer, *everywhere("甲"))[1])
    changed = [
        disguise
        for disguise in disguises()
        if control_counts(by_transformers(tokenizer, *everywhere(disguise))[1]) != harmless
    ]
    assert changed == []
    assert harmless == {"<unk>": 0, "<s>": 0, "</s>": 0, "<|beginofutterance|>": 8, "<|endofutterance|>": 7}


def test_no_split_token_joins_when_parts_are_put_together(tokenizer: Any) -> None:
    harmless = control_counts(by_transformers(tokenizer, *everywhere("甲"))[1])
    for pieces in splits():
        _, ids = by_transformers(tokenizer, *everywhere("甲", in_parts=pieces))
        assert control_counts(ids) == harmless, pieces


@pytest.mark.parametrize("template", TEMPLATES)
def test_no_token_forms_when_a_tokenizer_folds_widths_and_drops_the_invisible(template: str) -> None:
    def opened(text: str) -> int:
        return unicodedata.normalize("NFKC", text.translate(FOLDED)).count("<|")

    def rendered(text: str) -> str:
        messages, tools = everywhere(text)
        return render(messages, tools=tools, template=template)

    harmless = opened(rendered("甲"))
    assert [disguise for disguise in disguises() if opened(rendered(disguise)) != harmless] == []


def test_corpus_would_forge_turns_when_written_as_it_comes(tokenizer: Any) -> None:
    """Without protection more than a hundred of the disguises put control tokens into the prompt."""
    published = "{% for m in messages %}{{ '<|beginofutterance|>' + m['role'] + '\n' + m['content'] }}{% endfor %}"
    forging = 0
    for disguise in disguises():
        messages = [{"role": "用户", "content": disguise}]
        ids = tokenizer.apply_chat_template(messages, chat_template=published, return_dict=False)
        forging += sum(control_counts(ids).values()) > 1
    assert forging > 100


def test_template_changes_nothing_when_text_was_neutralised_before() -> None:
    for disguise in disguises():
        first, second = everywhere(disguise), everywhere(neutralise(disguise))
        assert render(first[0][:1]) == render(second[0][:1])


def test_last_turn_is_continued_when_transformers_is_asked_to(tokenizer: Any) -> None:
    messages = [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "你好，我是"}]
    options = {"chat_template": prompts.chat_template("huozi"), "tokenize": False, "continue_final_message": True}
    text = tokenizer.apply_chat_template(messages, **options)
    assert text.endswith("<|beginofutterance|>助手\n你好，我是")


def test_last_turn_is_not_continued_when_it_holds_a_control_token(tokenizer: Any) -> None:
    messages = [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "删除线是<s>"}]
    options = {"chat_template": prompts.chat_template("huozi"), "continue_final_message": True}
    with pytest.raises(ValueError, match="final message does not appear in the chat"):
        tokenizer.apply_chat_template(messages, **options)
