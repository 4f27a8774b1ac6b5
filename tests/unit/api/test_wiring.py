"""What the wiring does to its process."""

import json
import subprocess
import sys

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
