import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from retrieval.errors import DataFolderOwnedError
from retrieval.owner import OWNER_FILE, OwnerLock, read_owner

ROOT = Path(__file__).parents[3]
HOLD = """
import sys
from pathlib import Path
from retrieval.owner import OwnerLock
lock = OwnerLock(Path(sys.argv[1]), purpose="serve", url="http://127.0.0.1:8080")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_second_process_is_told_who_owns_the_folder(holder, tmp_path):
    with pytest.raises(DataFolderOwnedError) as caught:
        OwnerLock(tmp_path, purpose="ingest")
    error = caught.value
    assert error.url == "http://127.0.0.1:8080" and error.retryable
    assert f"正被进程 {holder.pid}（huozi serve，主机 " in error.render("zh")
    assert str(error).endswith("Use its HTTP interface at http://127.0.0.1:8080.")
    assert f"is in use by process {holder.pid} (huozi serve) on " in str(error)


def test_lock_of_a_killed_process_is_taken_over(holder, tmp_path):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert read_owner(tmp_path) is not None  # The dead owner's word still lies there.
    lock = OwnerLock(tmp_path, purpose="ingest")
    owner = read_owner(tmp_path)
    assert owner is not None and owner.pid == os.getpid()
    lock.release()
    assert read_owner(tmp_path) is None


def test_token_is_for_the_owner_of_the_files_alone(tmp_path):
    lock = OwnerLock(tmp_path, purpose="serve")
    assert stat.S_IMODE((tmp_path / OWNER_FILE).stat().st_mode) == 0o600
    lock.release()


def test_owner_is_unknown_when_its_file_is_garbage(tmp_path):
    (tmp_path / OWNER_FILE).write_text("{")
    assert read_owner(tmp_path) is None
    (tmp_path / OWNER_FILE).write_text('{"pid": 1}')
    assert read_owner(tmp_path) is None
