"""The shortest chain that answers from documents: retriever | prompt | ChatHuozi | parser, streamed.

HUOZI_LLM__BASE_URL=http://127.0.0.1:8000/v1 python examples/lcel_chain.py

Another question may follow as its argument.
"""

from __future__ import annotations

import sys

from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough

from assistant import ChatHuozi
from retrieval import HybridRetriever

QUESTION = "采购合同的预付款最多付多少？"
PROMPT = ChatPromptTemplate(
    [
        ("system", "你是公司的内部助手，只依据给出的资料作答；资料里没有，就说没有。"),
        ("user", "资料：\n{documents}\n\n问题：{question}"),
    ]
)


def joined(documents: list[Document]) -> str:
    """Return the documents as text, each under its title."""
    return "\n\n".join(f"《{document.metadata['title']}》\n{document.page_content}" for document in documents)


def main(question: str) -> None:
    """Print the answer as the model writes it."""
    found = {"documents": HybridRetriever(k=3) | joined, "question": RunnablePassthrough()}
    chain = found | PROMPT | ChatHuozi() | StrOutputParser()
    for text in chain.stream(question):
        print(text, end="", flush=True)
    print()


if __name__ == "__main__":
    main(*(sys.argv[1:] or [QUESTION]))
