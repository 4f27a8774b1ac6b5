"""Parsing in a process of its own: beside the stores' work, and out of reach of what a broken file does to a parser.

`parse.py` is the work (pure), `wire.py` its bytes between two processes (pure), `worker.py` the child, `child.py` the
parent's hold on it, `ahead.py` decides what is parsed where and keeps the order. The child gets bytes and limits, gives
text and spans, and has no other duty: it can be ended at any moment.
"""

from __future__ import annotations
