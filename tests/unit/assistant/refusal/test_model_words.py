from __future__ import annotations

import pytest

from assistant.refusal.model_words import is_model_refusal


@pytest.mark.parametrize(
    "text",
    [
        "资料中没有找到答案。",
        "資料中沒有找到相關內容。",
        "根据提供的资料，没有提到该公司的净利润。",
        "文档里并未说明年假可以休几天。建议咨询人事部门。",
        "抱歉，我无法回答这个问题。",
        "没有在资料中找到相关信息。",
        "我不知道。",
        "The sources do not mention the price.",
        "The provided documents don't contain this information.",
        "The answer is not found in the provided context.",
        "I’m sorry, but I cannot answer that.",
        "I could not find it.",
        "There is no answer in the sources.",
        "  资料中没有相关内容\n",
    ],
)
def test_model_refuses_when_it_cites_nothing_and_says_so(text: str) -> None:
    assert is_model_refusal(text, 0)
    assert not is_model_refusal(text, 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "年假为5天。",
        "年假为5天。资料中没有提到病假。",
        "如果没有提供材料，申请会被退回。",
        "员工未在三日内提交的，视为放弃。",
        "不能回答保密问题的员工应上报。",
        "合同没有写明期限的，为一年。",
        "The leave is five days. The sources do not mention sick leave.",
        "Employees do not know the date in advance.",
        "Documents that contain errors are returned.",
    ],
)
def test_model_answers_when_it_says_something_else(text: str) -> None:
    assert not is_model_refusal(text, 0)
