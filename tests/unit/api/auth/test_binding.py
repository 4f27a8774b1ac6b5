from __future__ import annotations

import pytest

from api.auth.binding import check_binding, host_name, is_loopback, is_own_origin
from api.errors import BindingError


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost", "LOCALHOST.", "a.localhost"])
def test_host_is_loopback_when_only_this_machine_answers_to_it(host: str):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "10.0.0.1", "evil.com", "127.0.0.1.evil.com", "localhost.evil.com"]
)
def test_host_is_not_loopback_when_others_reach_it(host: str):
    assert not is_loopback(host)


def test_binding_is_refused_when_open_to_the_network_without_a_key():
    with pytest.raises(BindingError) as caught:
        check_binding("0.0.0.0", has_keys=False)
    assert str(caught.value) == (
        "Refusing to listen on '0.0.0.0' without an API key: anyone on the network could read the documents. "
        "Run `huozi keys create NAME` first, or set HUOZI_HOST=127.0.0.1."
    )


@pytest.mark.parametrize(("host", "has_keys"), [("127.0.0.1", False), ("0.0.0.0", True), ("::1", False)])
def test_binding_is_allowed_when_it_is_safe(host: str, has_keys: bool):
    assert check_binding(host, has_keys) is None


@pytest.mark.parametrize(
    ("header", "name"), [("127.0.0.1:8080", "127.0.0.1"), ("[::1]:80", "::1"), ("a.b", "a.b"), ("[", ""), ("", "")]
)
def test_host_name_is_without_its_port(header: str, name: str):
    assert host_name(header) == name


@pytest.mark.parametrize(
    ("origin", "host", "own"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1:8080", True),
        ("http://127.0.0.1:9999", "127.0.0.1:8080", False),
        ("https://evil.com", "127.0.0.1:8080", False),
        ("null", "127.0.0.1:8080", False),
        ("file://127.0.0.1:8080", "127.0.0.1:8080", False),
        ("http://[", "127.0.0.1:8080", False),
    ],
)
def test_origin_is_own_when_it_is_the_address_called(origin: str, host: str, own: bool):
    assert is_own_origin(origin, host) is own
