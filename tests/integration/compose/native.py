"""The services of docker-compose.yml as plain processes: its commands, environment and health checks.

What a container runtime would give is put in by hand: names of hosts become ports of 127.0.0.1, volumes become folders,
`huozi-start` and `huozi-health` are the files that the image installs under these names. vLLM is not started here: the
session's `vllm` stands in its place, and its arguments are compared with the file's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tests.compose_file import ROOT, Service, read_services
from tests.processes import ServerProcess, free_port

BIN = Path(sys.executable).parent
INSTALLED = {
    "huozi-start": (sys.executable, str(ROOT / "docker" / "start.py")),
    "huozi-health": (sys.executable, str(ROOT / "docker" / "health.py")),
    "chroma": (str(BIN / "chroma"),),
    "python3": (sys.executable,),
}
START_S = 300
POLL_S = 0.2


class Native:
    """One profile's services on this machine; start them in order, stop them all with `close`.

    Args:
        folder: Gets a folder a volume, and the logs.
        profile: As on docker compose's command line.
        vllm: Root URL of the running vLLM, for the profile that has one.
    """

    def __init__(self, folder: Path, *, profile: str, vllm: str = "") -> None:
        self.folder = folder
        self.services = read_services(profile=profile)
        self.urls = {name: f"http://127.0.0.1:{free_port()}" for name in self.services} | (
            {"vllm": vllm} if vllm else {}
        )
        self.running: dict[str, ServerProcess] = {}

    @property
    def app(self) -> Service:
        """The service that answers people."""
        return next(one for name, one in self.services.items() if name.startswith("app"))

    @property
    def url(self) -> str:
        """Where it answers."""
        return self.urls[self.app.name]

    @property
    def data(self) -> Path:
        """The folder that stands for its volume."""
        return self.folder / "data"

    def start_all(self) -> None:
        """Start each service once those that it waits for are healthy."""
        for name, service in self.services.items():
            for needed in service.depends_on:
                assert self.is_healthy(needed), f"{needed} is not healthy before {name}"
            if name != "vllm":
                self.start(name)
            self.wait_healthy(name)

    def start(self, name: str) -> None:
        """Start one service with the file's command and environment; does not wait."""
        service = self.services[name]
        for volume in ("data", "chroma"):
            (self.folder / volume).mkdir(exist_ok=True)
        self.running[name] = ServerProcess(
            self.here(service, service.argv),
            port=int(self.urls[name].rpartition(":")[2]),
            health="",
            log=self.folder / f"{name}.log",
            env=self.environment(service),
        )

    def stop(self, name: str) -> None:
        """End one service as `docker compose stop` does: SIGTERM, then a grace period."""
        self.running.pop(name).stop()

    def close(self) -> None:
        """End all, last started first."""
        for name in reversed(list(self.running)):
            self.stop(name)

    def is_healthy(self, name: str) -> bool:
        """Run a service's own health check once."""
        return self.check(name).returncode == 0

    def check(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run a service's own health check once; its output says what is wrong."""
        service = self.services[name]
        return subprocess.run(
            self.here(service, service.health), capture_output=True, encoding="utf-8", check=False, timeout=120
        )

    def wait_healthy(self, name: str) -> None:
        """Wait until the health check passes; fail if the process ends first, or with the time."""
        until = time.monotonic() + START_S
        while not self.is_healthy(name):
            process = self.running.get(name)
            ended = process is not None and process.process.poll() is not None
            if ended or time.monotonic() > until:
                shown = self.log(name)[-4000:] if process is not None else self.check(name).stderr
                raise RuntimeError(f"{name} is not healthy:\n{shown}")
            time.sleep(POLL_S)

    def log(self, name: str) -> str:
        """Return what a service has printed."""
        return (self.folder / f"{name}.log").read_text("utf-8", "replace")

    def environment(self, service: Service) -> dict[str, str]:
        """Return a service's environment: the file's, with `PATH` in place of the image's, and nothing else of ours."""
        port = self.urls[service.name].rpartition(":")[2]
        told = {name: self.text(service, value) for name, value in service.environment.items()}
        return without_settings() | told | ({"HUOZI_PORT": port} if "HUOZI_PORT" in told else {})

    def here(self, service: Service, argv: tuple[str, ...]) -> list[str]:
        """Return a command as this machine can run it."""
        words = [self.text(service, word) for word in argv[1:]]
        if "--port" in words:
            words[words.index("--port") + 1] = self.urls[service.name].rpartition(":")[2]
        return [*INSTALLED[argv[0]], *words]

    def text(self, service: Service, text: str) -> str:
        """Put this machine's addresses and folders into one word of the file."""
        ports = {"app": 8080, "app-cpu": 8080}
        places = {f"http://{name}:{ports.get(name, 8000)}": url for name, url in self.urls.items()}
        places[f"http://127.0.0.1:{ports.get(service.name, 8000)}"] = self.urls[service.name]
        for place, url in places.items():
            text = text.replace(place, url)
        return {f"/{volume}": str(self.folder / volume) for volume in ("data", "chroma")}.get(text, text)


def without_settings() -> Mapping[str, str]:
    """Return what unsets this machine's own settings, and finds `huozi` where the image has it on its path."""
    ours = {name: "" for name in os.environ if name.startswith("HUOZI_")}
    return {**ours, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONIOENCODING": "utf-8"}
