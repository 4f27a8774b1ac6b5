"""Facts out of a document into a pydantic class: the model server enforces the schema, ChatHuozi validates the values.

HUOZI_LLM__BASE_URL=http://127.0.0.1:8000/v1 python examples/structured.py

The schema is enforced while the model writes, so the JSON is whole whatever the model is.
"""

from __future__ import annotations

from pydantic import BaseModel, Field

from assistant import ChatHuozi
from retrieval import HybridRetriever

QUESTION = "差旅费怎么报销？"


class TravelRules(BaseModel):
    """差旅报销标准的要点。"""  # noqa: D415 - the model reads it, in Chinese

    flight_hours: int = Field(ge=0, description="单程铁路运行时间超过多少小时可以乘坐飞机")
    local_transport_yuan: float = Field(ge=0, description="市内交通每人每天不超过多少元")
    days_to_submit: int = Field(ge=0, description="返回后多少个工作日内在办公系统提交报销单")
    when_late: str = Field(description="逾期以后报销金额怎么核付")


def main() -> None:
    """Print the filled class as JSON."""
    documents = HybridRetriever(k=5, filters={"title": "差旅报销标准"}).invoke(QUESTION)
    text = "\n".join(document.page_content for document in documents)
    rules = ChatHuozi().with_structured_output(TravelRules).invoke(f"从下面的制度里摘出要点。\n\n{text}")
    print(rules.model_dump_json(indent=2))


if __name__ == "__main__":
    main()
