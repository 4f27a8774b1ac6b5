"""docker-compose.yml as the real Docker Compose reads it; it needs no daemon for that."""

from __future__ import annotations

import pytest

from tests.compose_file import Service, read_services
from tests.image.docker_compose import DockerCompose

pytestmark = pytest.mark.image

GPU = {"COMPOSE_PROFILES": "gpu"}
VARIABLES = {"DEPLOY_GPUS": "4", "DEPLOY_PORT": "9090", "HUOZI_LLM__WINDOW_TOKENS": "8192", "HUOZI_LANG": "en"}


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> DockerCompose:
    return DockerCompose(tmp_path_factory.mktemp("docker-compose"))


@pytest.mark.parametrize(
    ("flags", "env", "expected"),
    [
        ((), GPU, {"vllm", "chroma", "app"}),
        (("--profile", "cpu"), GPU, {"chroma", "app-cpu"}),
        (("--profile", "cpu"), {}, {"chroma", "app-cpu"}),
        (("--profile", "gpu"), {}, {"vllm", "chroma", "app"}),
        ((), {}, set()),
    ],
)
def test_a_profile_starts_its_services_when_it_is_chosen_by_flag_or_file(
    flags: tuple[str, ...], env: dict[str, str], expected: set[str], compose: DockerCompose
) -> None:
    assert set(compose.config(*flags, env=env)["services"] or {}) == expected


@pytest.mark.parametrize("profile", ["gpu", "cpu"])
def test_our_reading_is_docker_composes_when_variables_are_set(profile: str, compose: DockerCompose) -> None:
    theirs = compose.config("--profile", profile, env=VARIABLES)["services"]
    ours = read_services(VARIABLES, profile=profile)

    assert {name: told(service, theirs[name]) for name, service in ours.items()} == {
        name: (
            list(service.argv),
            {name: service.environment[name] for name in service.environment},
            ["CMD", *service.health],
            sorted(service.depends_on),
        )
        for name, service in ours.items()
    }


def told(ours: Service, theirs: dict) -> tuple[list[str], dict[str, str], list[str], list[str]]:
    """Return the same parts of a service as Docker Compose sees them; `.env` adds variables of its own."""
    environment = {name: theirs["environment"][name] for name in ours.environment}
    argv = [*(theirs.get("entrypoint") or []), *theirs["command"]]
    return argv, environment, theirs["healthcheck"]["test"], sorted(theirs.get("depends_on", {}))


def test_settings_of_env_reach_the_app_and_what_compose_needs_wins_when_both_are_set(compose: DockerCompose) -> None:
    env = {**GPU, "HUOZI_LANG": "en", "HUOZI_HOST": "127.0.0.1", "HUOZI_DATA_DIR": "/elsewhere"}
    app = compose.config(env=env)["services"]["app"]["environment"]

    assert (app["HUOZI_LANG"], app["HUOZI_HOST"], app["HUOZI_DATA_DIR"]) == ("en", "0.0.0.0", "/data")


def test_the_port_is_loopbacks_alone_when_docker_compose_reads_it(compose: DockerCompose) -> None:
    services = compose.config("--profile", "gpu", env=VARIABLES)["services"]
    published = [
        (name, port["host_ip"], port["published"]) for name, one in services.items() for port in one.get("ports", [])
    ]

    assert published == [("app", "127.0.0.1", "9090")]


def test_gpus_and_shared_memory_are_numbers_when_docker_compose_reads_them(compose: DockerCompose) -> None:
    vllm = compose.config("--profile", "gpu", env=VARIABLES)["services"]["vllm"]
    (device,) = vllm["deploy"]["resources"]["reservations"]["devices"]

    assert device == {"driver": "nvidia", "count": 4, "capabilities": ["gpu"]}
    assert int(vllm["shm_size"]) == 16 * 2**30
