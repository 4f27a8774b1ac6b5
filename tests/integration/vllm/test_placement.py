"""The plan's KV cache against the real server's own account of it."""

from __future__ import annotations

import re
from dataclasses import replace

import httpx

from assistant.serving.profile import Profile, load_profile
from tests.tiny_mixtral import HEAD_DIM, HEADS, KV_HEADS, LAYERS
from tests.vllm_server import VllmServer


def tiny_profile() -> Profile:
    huozi = load_profile("huozi3.5")
    return replace(huozi, layers=LAYERS, heads=HEADS, kv_heads=KV_HEADS, head_dim=HEAD_DIM)


def test_the_cache_holds_as_many_tokens_and_windows_as_planned_when_vllm_runs(vllm: VllmServer) -> None:
    told = re.search(r"^vllm:cache_config_info\{(.*)\}", httpx.get(f"{vllm.root_url}/metrics").text, re.MULTILINE)
    assert told is not None
    facts = dict(re.findall(r'(\w+)="([^"]*)"', told[1]))
    profile = tiny_profile()
    cache_bytes = int(facts["kv_cache_memory_bytes"])

    assert int(facts["kv_cache_size_tokens"]) == cache_bytes // profile.kv_bytes_per_token
    windows = cache_bytes / (profile.kv_bytes_per_token * profile.window_tokens)
    assert float(facts["kv_cache_max_concurrency"]) == windows
