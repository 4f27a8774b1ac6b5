"""What all folders share: the real vLLM, started once a run, in the background, as soon as any test wants it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.vllm_server import RunningVllm, VllmServer, why_unsupported

# No test asserts a time: on a machine that does other work an example may take seconds, and so may drawing it.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

SERVER = pytest.StashKey[VllmServer]()
LEFT_OUT = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    """Let tests send Ctrl-C: a shell has its background jobs ignore it, and so would their children."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the tests of the real vLLM last, so that it starts while others run; leave them out where it cannot run."""
    wanting = [item for item in items if wants_vllm(item)]
    others = [item for item in items if not wants_vllm(item)]
    if wanting and why_unsupported():
        config.stash[LEFT_OUT] = len(wanting)
        config.hook.pytest_deselected(items=wanting)
        wanting = []
    items[:] = others + wanting


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the server if a test wants it."""
    if session.config.option.collectonly or not any(wants_vllm(item) for item in session.items):
        return
    folder = session.config._tmp_path_factory.mktemp("vllm")  # type: ignore[attr-defined] # the fixture's own object
    running = os.environ.get("VLLM_TEST_URL")
    server = RunningVllm(folder, running) if running else VllmServer(folder)
    session.config.stash[SERVER] = server
    try:
        server.start()
    except RuntimeError:
        # The fixture says it again, to each test that needs the server.
        return


def pytest_sessionfinish(session: pytest.Session) -> None:
    if (server := session.config.stash.get(SERVER, None)) is not None:
        server.stop()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if n := config.stash.get(LEFT_OUT, 0):
        terminalreporter.write_line(f"{n} tests need a real vLLM and were left out: {why_unsupported()}", yellow=True)


@pytest.fixture(scope="session")
def vllm(request: pytest.FixtureRequest) -> Iterator[VllmServer]:
    """The real vLLM with the tiny model, ready."""
    server = request.config.stash[SERVER]
    if not server.is_started:
        server.start()
    yield server.wait()


def wants_vllm(item: pytest.Item) -> bool:
    return "vllm" in getattr(item, "fixturenames", ())
