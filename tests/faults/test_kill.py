"""SIGKILL at random moments: each document is wholly old or wholly new, deleted ones never answer, the doctor is glad.

The oracle is a plain dict: what the killed process said it had begun and finished.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from retrieval.doctor import check
from tests.stores import open_folder

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("HUOZI_TEST_KILLS", "8"))

WORK = """
import json, random, sys
from pathlib import Path
from ingest import Ingestor, TextRecord
from tests.stores import open_folder
rng = random.Random(int(sys.argv[2]))
say = lambda **fields: print(json.dumps(fields, ensure_ascii=False), flush=True)
with open_folder(Path(sys.argv[1])) as folder:
    ingestor = Ingestor(folder)
    say(ready=True)
    while True:
        source = rng.choice("甲乙丙丁")
        collection = folder.collection("default", create=True)
        stored = {d.source: d.document_id for d in folder.catalog.list_documents(collection.collection_id)}
        if source in stored and rng.random() < 0.3:
            say(begin=source, text=None)
            folder.delete_document(stored[source])
            say(end=source, text=None)
        else:
            text = f"{source}的第{rng.randrange(10**6)}版规定。" * rng.randrange(1, 200)
            say(begin=source, text=text)
            assert not ingestor.ingest_records([TextRecord(source, "", text)]).failed
            say(end=source, text=text)
"""


def run_until_killed(data: Path, seed: int) -> list[dict]:
    process = subprocess.Popen(
        [sys.executable, "-c", WORK, str(data), str(seed)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",  # The last line may be cut inside a character.
    )
    assert process.stdout is not None and process.stderr is not None
    first = process.stdout.readline()
    assert first, process.stderr.read()
    time.sleep(random.Random(seed).uniform(0.01, 1.2))
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read()
    process.stdout.close()
    process.stderr.close()
    process.wait()
    # The last line may be cut.
    return [json.loads(line) for line in rest.splitlines(keepends=True) if line.endswith("\n")]


def test_kills_at_random_moments_leave_each_document_wholly_old_or_new(tmp_path):
    expected: dict[str, set[str | None]] = {}
    n_steps = 0
    for seed in range(KILLS):
        for event in run_until_killed(tmp_path / "data", seed):
            if "begin" in event:
                expected[event["begin"]] = {event["text"], *expected.get(event["begin"], {None})}
            else:
                n_steps += 1
                expected[event["end"]] = {event["text"]}
        with open_folder(tmp_path / "data") as folder:
            assert check(folder).problems == (), seed
            collection = folder.collection("default", create=True)
            stored = {
                d.source: folder.catalog.document_text(d.document_id).text
                for d in folder.catalog.list_documents(collection.collection_id)
            }
            for source, possible in expected.items():
                assert stored.get(source) in possible, (seed, source)
                expected[source] = {stored.get(source)}
            assert set(stored) <= set(expected)
            for hit in folder.retriever.retrieve("第一版规定", top_k=100).hits:
                assert hit.chunk.text in stored[hit.chunk.source], (seed, hit.chunk.source)
    assert n_steps > KILLS // 3  # However busy the machine is, something was finished between the kills.
