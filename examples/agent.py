"""An agent that decides by itself when to look into the documents: LangGraph, HybridRetriever as a tool, ChatHuozi.

HUOZI_LLM__BASE_URL=http://127.0.0.1:8000/v1 python examples/agent.py

Another question may follow as its argument.
"""

from __future__ import annotations

import sys

from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import create_retriever_tool

from assistant import ChatHuozi
from retrieval import HybridRetriever

QUESTION = "雷达液位计保修多久？"
RULES = "你是公司的内部助手。凡涉及公司制度或产品的问题，先用工具检索公司文件，再据此简短作答；查不到就说查不到。"


def main(question: str) -> None:
    """Ask the agent and print each step as it happens."""
    documents = create_retriever_tool(
        HybridRetriever(k=3),
        name="search_documents",
        description="检索公司文件：员工手册、差旅与采购制度、产品手册、常见问题。参数是一个完整的问题。",
    )
    agent = create_agent(ChatHuozi(), tools=[documents], system_prompt=RULES)
    print("问：", question)
    for update in agent.stream({"messages": [HumanMessage(question)]}, stream_mode="updates"):
        for step in update.values():
            for message in step["messages"]:
                show(message)


def show(message: AIMessage | ToolMessage) -> None:
    """Print one step: what the agent looks up, what it finds, what it says."""
    if isinstance(message, ToolMessage):
        print("找到：", " ".join(message.text.split())[:80], "……")
        return
    for call in message.tool_calls:
        print("检索：", call["name"], call["args"])
    if message.text:
        print("答：", message.text)


if __name__ == "__main__":
    main(*(sys.argv[1:] or [QUESTION]))
