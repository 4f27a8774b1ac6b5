from __future__ import annotations

import pytest

import prompts


def test_slots_are_filled_when_all_are_given() -> None:
    filled = prompts.load("sources").fill(sources="{甲}", question="{question}？")
    assert "{甲}" in filled and filled.endswith("问题：{question}？")


def test_system_prompt_holds_no_slot_when_loaded() -> None:
    assert prompts.load("answer").slots == frozenset()
    assert "编号" in prompts.load("answer").fill()


def test_filling_fails_when_slots_differ() -> None:
    with pytest.raises(prompts.PromptError, match=r"has the slots \['question', 'sources'\], got \['question'\]"):
        prompts.load("sources").fill(question="甲")


def test_loading_fails_when_no_such_prompt() -> None:
    with pytest.raises(prompts.PromptError, match="There is no prompt 'nothing'"):
        prompts.load("nothing")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("没有注释\n{a}", "is '没有注释', not a comment"),
        ("# fills: a\n{b}", r"names the slots \['a'\], but holds \['b'\]"),
    ],
)
def test_template_is_refused_when_its_first_line_does_not_match(text: str, message: str) -> None:
    with pytest.raises(prompts.PromptError, match=message):
        prompts.Prompt("x", text)


def test_chat_template_is_refused_when_no_file_has_its_name() -> None:
    with pytest.raises(
        prompts.PromptError, match=r"no chat template '\.\./prompts/huozi'; there are huozi, huozi-7b, llama3"
    ):
        prompts.chat_template("../prompts/huozi")


def test_chat_template_is_plain_text_when_loaded_by_name() -> None:
    assert prompts.chat_template_path("huozi").name == "huozi.jinja"
    assert "<|beginofutterance|>助手" in prompts.chat_template("huozi")
