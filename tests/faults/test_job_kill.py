"""SIGKILL while a job runs: its work goes on where it was, and is not begun again."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from ingest.jobs.runner import JobRunner
from ingest.settings import IngestSettings, SplitSettings
from retrieval.doctor import check
from tests.fakes import FakeEmbedder
from tests.stores import open_folder

ROOT = Path(__file__).parents[2]
SETTINGS = IngestSettings(split=SplitSettings(max_chars=20, min_chars=0))
N_CHUNKS, BATCH = 6, 2

WORK = """
import json, sys, time
from pathlib import Path
from ingest import embedding
from ingest.jobs.enqueue import enqueue_file
from ingest.jobs.runner import JobRunner
from tests.fakes import FakeEmbedder
from tests.faults.test_job_kill import BATCH, N_CHUNKS, SETTINGS
from tests.stores import open_folder

embedding.KEEP_EVERY_S = 0.0

class Stuck(FakeEmbedder):
    def embed_batch(self, texts):
        if self.n_embedded >= 2 * BATCH:
            print(json.dumps({"embedded": self.n_embedded}), flush=True)
            time.sleep(60)
        return super().embed_batch(texts)

with open_folder(Path(sys.argv[1])) as folder:
    folder.collection("制度", create=True)
    folder.embedder = Stuck(32)
    folder.embedder.batch_size = BATCH
    text = "\\n\\n".join(f"第{n}号规定：应当报告第{n}件事。" for n in range(N_CHUNKS))
    enqueue_file(folder, "制度", "甲.txt", text.encode())
    JobRunner(folder, SETTINGS).run_pending()
"""


def kill_when_it_speaks(script: str, data: Path) -> dict:
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(data)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    line = process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    told = process.stderr.read().decode("utf-8", "replace")
    process.stdout.close()
    process.stderr.close()
    assert line, told
    return json.loads(line)


def test_embedding_goes_on_where_it_was_when_the_process_was_killed(tmp_path):
    assert kill_when_it_speaks(WORK, tmp_path / "data") == {"embedded": 2 * BATCH}
    with open_folder(tmp_path / "data") as folder:
        (job,) = folder.catalog.jobs.find()
        assert job.state == "queued" and check(folder).problems == ()
        assert folder.catalog.list_documents(job.collection_id) == []
        folder.embedder = FakeEmbedder(32)
        JobRunner(folder, SETTINGS).run_pending()
        assert folder.embedder.n_embedded == N_CHUNKS - 2 * BATCH
        done = folder.catalog.jobs.get(job.job_id)
        assert (done.state, done.counts["indexed"]) == ("completed", N_CHUNKS)
        assert check(folder).problems == ()


BETWEEN = """
import json, sys, time
from pathlib import Path
from ingest.jobs.enqueue import enqueue_file
from ingest.jobs.runner import JobRunner
from tests.stores import open_folder

with open_folder(Path(sys.argv[1])) as folder:
    folder.collection("制度", create=True)
    publish = folder.catalog.publish

    def stop_after(*arguments):
        publish(*arguments)
        print("{}", flush=True)
        time.sleep(60)

    folder.catalog.publish = stop_after
    enqueue_file(folder, "制度", "甲.txt", "第一号规定：应当报告。".encode())
    JobRunner(folder).run_pending()
"""


def test_job_is_completed_with_its_document_when_the_process_was_killed_after_the_switch(tmp_path):
    kill_when_it_speaks(BETWEEN, tmp_path / "data")
    with open_folder(tmp_path / "data") as folder:
        (job,) = folder.catalog.jobs.find()
        assert job.state == "completed"
        (document,) = folder.catalog.list_documents(job.collection_id)
        assert document.document_id == job.document_id and check(folder).problems == ()
