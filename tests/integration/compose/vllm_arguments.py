"""Run by vLLM's own Python: have vLLM's parser read the arguments of `vllm serve`, print what it understood as JSON."""

import json
import sys

from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
from vllm.utils.argparse_utils import FlexibleArgumentParser

parsed = make_arg_parser(FlexibleArgumentParser()).parse_args(sys.argv[1:])
validate_parsed_serve_args(parsed)
print(json.dumps(vars(parsed), default=str, ensure_ascii=False))
