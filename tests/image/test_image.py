"""The image, built for real and its processes run as its own user: `make test-image`."""

from __future__ import annotations

import json
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.compose_file import read_services
from tests.image.building import Build, Builder, copy_context, pip_secrets
from tests.image.container import Image, opened
from tests.processes import ServerProcess, free_port

pytestmark = pytest.mark.image

SOURCES = ("api", "assistant", "docker", "ingest", "prompts", "retrieval", "samples")
CONTEXT = (".dockerignore", "Dockerfile", "LICENSE", "README.md", "constraints.txt", "pyproject.toml", *SOURCES)
MOST_BYTES = 1_000_000_000
QUESTION = "出差住宿费的标准是多少？"


@pytest.fixture(scope="session")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    one = Builder(tmp_path_factory.mktemp("buildah"))
    yield one
    one.close()


@pytest.fixture(scope="session")
def base(builder: Builder) -> str:
    return builder.base()


@pytest.fixture(scope="session")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_context(tmp_path_factory.mktemp("context") / "repository", CONTEXT)
    # What lies in a developer's checkout and may not get into the image.
    (folder / ".env").write_text("HUOZI_LLM__API_KEY=sk-secret-of-this-test\n", "utf-8")
    (folder / "data").mkdir()
    (folder / "data" / "catalog.db").write_text("sk-secret-of-this-test", "utf-8")
    return folder


@pytest.fixture(scope="session")
def built(builder: Builder, base: str, context: Path) -> Build:
    return builder.build(base, context)


@pytest.fixture(scope="session")
def image(builder: Builder, built: Build) -> Image:
    one = opened(builder)
    print(f"\nbuilt in {built.seconds:.0f} s, {one.size / 1e6:.0f} MB")
    return one


@pytest.fixture
def folders(tmp_path: Path, image: Image) -> dict[Path, str]:
    """Folders for the image's volumes, owned as new named volumes are: like the folder in the image."""
    made = {tmp_path / name: f"/{name}" for name in ("data", "chroma")}
    for here, there in made.items():
        seen = (image.root / there[1:]).stat()
        here.mkdir(mode=stat.S_IMODE(seen.st_mode))
        os.chown(here, seen.st_uid, seen.st_gid)
    return made


def test_the_image_is_not_fat_when_it_is_built(image: Image) -> None:
    assert image.size < MOST_BYTES


def test_the_image_says_what_it_is_when_it_is_inspected(image: Image) -> None:
    labels = image.config["Labels"]

    assert image.user == (10001, 10001)
    assert image.config["Cmd"] == ["huozi-start"]
    assert image.config["Healthcheck"]["Test"][:2] == ["CMD", "huozi-health"]
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.version"] in read_services(profile="cpu")["chroma"].raw["image"]


def test_no_process_is_root_when_the_image_runs(image: Image, folders: dict[Path, str]) -> None:
    done = image.run(["sh", "-c", "id -u; id -g; grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status"])

    assert done.stdout.split() == [
        *("10001", "10001"),
        *("CapEff:", "0000000000000000"),
        *("CapBnd:", "0000000000000000"),
        *("NoNewPrivs:", "1"),
    ]


@pytest.mark.parametrize("place", ["/opt/huozi/api/x", "/opt/venv/x", "/etc/x", "/x"])
def test_nothing_can_be_changed_when_the_image_runs(place: str, image: Image) -> None:
    assert image.run(["touch", place]).returncode != 0


@pytest.mark.parametrize("tool", ["pip", "pip3", "gcc", "cc", "make", "git"])
def test_no_build_tool_is_on_the_path_when_the_image_runs(tool: str, image: Image) -> None:
    found = image.run(["sh", "-c", f"command -v {tool}"]).stdout.strip()

    # The official Python image brings its own pip, outside the service's environment.
    assert not found or (tool.startswith("pip") and found.startswith("/usr/local/bin/"))


def test_no_compiler_header_or_test_is_inside_when_the_image_is_searched(image: Image) -> None:
    names = {path.name for path in (image.root / "opt" / "huozi").iterdir()}
    brought = {name for name in names if not name.endswith(".dist-info")}

    assert brought == {"api", "assistant", "bin", "ingest", "prompts", "retrieval"}
    assert not (image.root / "opt" / "venv" / "lib" / "python3" / "site-packages" / "pip").exists()


def test_no_secret_or_pip_setting_is_in_a_layer_when_all_are_read(
    builder: Builder, image: Image, tmp_path: Path
) -> None:
    archive = tmp_path / "image.tar"
    builder.run("push", "--quiet", "localhost/huozi-assistant:test", f"docker-archive:{archive}")
    forbidden = [text.encode() for text in (*pip_secrets(), "sk-secret-of-this-test")]
    found = []
    with tarfile.open(archive) as layers:
        for layer in layers:
            stream = layers.extractfile(layer)
            if stream is None or not layer.name.endswith(".tar"):
                continue
            with tarfile.open(fileobj=stream) as files:
                for file in files:
                    if Path(file.name).name in {".env", "catalog.db", ".git"}:
                        found.append(file.name)
                    # Settings are text, and short; weights and libraries are not searched.
                    if file.isfile() and 0 < file.size < 200_000 and "site-packages" not in file.name:
                        reader = files.extractfile(file)
                        assert reader is not None
                        content = reader.read()
                        found += [f"{file.name}: {text!r}" for text in forbidden if text in content]

    assert found == []
    assert not [step for step in image.history if "PIP_INDEX_URL" in step]


def test_help_is_shown_when_the_image_runs(image: Image) -> None:
    done = image.run(["huozi", "--help"])

    assert done.returncode == 0, done.stderr
    assert "huozi" in done.stdout


def test_the_files_beside_the_code_are_inside_when_the_image_runs(image: Image) -> None:
    listed = image.run(["huozi", "model", "list", "--json"])
    page = image.root / "opt" / "huozi" / "api" / "web" / "static" / "index.html"

    assert "huozi3.5" in listed.stdout, listed.stderr
    assert page.exists()
    assert (image.root / "opt" / "huozi" / "prompts" / "huozi.jinja").exists()


def test_the_embedder_and_everything_else_work_when_there_is_no_network(image: Image, folders: dict[Path, str]) -> None:
    brought = image.run(["huozi", "ingest", "/samples", "--json"], volumes=folders, offline=True)
    asked = image.run(["huozi", "ask", QUESTION, "--json"], volumes=folders, offline=True)

    assert brought.returncode == 0, brought.stderr
    assert json.loads(brought.stdout)["added"] > 5
    assert json.loads(asked.stdout)["citations"], asked.stderr


def test_the_cpu_profile_answers_when_its_commands_run_in_the_image(
    image: Image, folders: dict[Path, str], tmp_path: Path
) -> None:
    services = read_services(profile="cpu")
    ports = {"chroma": free_port(), "app-cpu": free_port()}
    chroma, app = services["chroma"], services["app-cpu"]
    environment = app.environment | {
        "HUOZI_PORT": str(ports["app-cpu"]),
        "HUOZI_CHROMA_URL": f"http://127.0.0.1:{ports['chroma']}",
    }
    chroma_argv = [str(ports["chroma"]) if word == "8000" else word for word in chroma.argv]

    def healthy(name: str) -> bool:
        words = [
            word.replace("8080", str(ports["app-cpu"])).replace("8000", str(ports["chroma"]))
            for word in services[name].health
        ]
        return image.run(words).returncode == 0

    with (
        ServerProcess(
            image.command(chroma_argv, volumes=folders, environment=chroma.environment),
            port=ports["chroma"],
            health="/api/v2/heartbeat",
            log=tmp_path / "chroma.log",
        ),
        ServerProcess(
            image.command(app.argv, volumes=folders, environment=environment),
            port=ports["app-cpu"],
            health="/readyz",
            log=tmp_path / "app.log",
        ) as service,
    ):
        assert healthy("chroma")
        assert healthy("app-cpu")
        key = image.run(["cat", "/data/api-key"], volumes=folders).stdout.strip()
        brought = image.run(["huozi", "ingest", "/samples", "--json"], volumes=folders, environment=environment)
        answer = httpx.post(
            f"{service.url}/v1/chat/completions",
            json={"model": "huozi-rag", "messages": [{"role": "user", "content": QUESTION}]},
            headers={"authorization": f"Bearer {key}"},
            timeout=60,
        )
        refused = httpx.get(f"{service.url}/v1/models", timeout=30)

    assert brought.returncode == 0, brought.stderr
    assert answer.status_code == 200, answer.text
    assert answer.json()["citations"]
    assert refused.status_code == 401
    assert key not in (tmp_path / "app.log").read_text("utf-8")
    assert "服务已停止" in (tmp_path / "app.log").read_text("utf-8")
    assert not healthy("app-cpu")


def test_no_dependency_is_installed_again_when_only_code_changes(
    builder: Builder, base: str, built: Build, context: Path
) -> None:
    with (context / "api" / "__init__.py").open("a", encoding="utf-8") as file:
        file.write("# changed\n")

    again = builder.build(base, context)

    print(f"\nbuilt again in {again.seconds:.0f} s")
    assert "Collecting chromadb" in built.output
    assert "Collecting chromadb" not in again.output
    assert "Successfully installed huozi-assistant" in again.output
