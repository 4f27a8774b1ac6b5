"""What the wiring does to its process."""

import json
import subprocess
import sys

from api.settings import Settings
from api.wiring import prepare_parsing
from ingest.sandbox import ahead
from retrieval.owner import OwnerLock

SCRIPT = """
import gc, json
from api.wiring import settle
counts = []
for _ in range(2):
    settle()
    counts.append(gc.get_freeze_count())
    more = [[] for _ in range(1000)]
print(json.dumps(counts))
"""


def test_process_is_settled_once():
    first, second = json.loads(subprocess.check_output([sys.executable, "-c", SCRIPT]))
    assert 0 < second <= first


def test_parser_is_prepared_where_this_process_will_parse(tmp_path, monkeypatch):
    prepared = []
    monkeypatch.setattr(ahead, "prepare", prepared.append)
    settings = Settings(data_dir=tmp_path)

    lock = OwnerLock(tmp_path, purpose="serve", url="http://127.0.0.1:8080")
    prepare_parsing(settings)
    assert prepared == []

    lock.release()
    prepare_parsing(settings)
    assert len(prepared) == 1
