"""Reads tool calls with vLLM's own hermes parser; run by vLLM's Python, as it is installed nowhere else.

Takes the folder of a tokenizer, and a JSON list of a model's turns on stdin; writes for each its text and calls.
"""

from __future__ import annotations

import json
import sys

from transformers import AutoTokenizer
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.tool_parsers.hermes_tool_parser import Hermes2ProToolParser


def main() -> None:
    """Read, parse, write."""
    parser = Hermes2ProToolParser(AutoTokenizer.from_pretrained(sys.argv[1]))
    request = ChatCompletionRequest(model="huozi", messages=[])
    found = [parser.extract_tool_calls(turn, request) for turn in json.load(sys.stdin)]
    calls = [[[call.function.name, json.loads(call.function.arguments)] for call in one.tool_calls] for one in found]
    json.dump([[one.content, made] for one, made in zip(found, calls, strict=True)], sys.stdout)


if __name__ == "__main__":
    main()
