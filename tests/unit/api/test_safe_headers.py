from __future__ import annotations

from starlette.datastructures import MutableHeaders

from api.safe_headers import add_to


def headers_of(**given: str) -> MutableHeaders:
    headers = MutableHeaders({name.replace("_", "-"): value for name, value in given.items()})
    add_to(headers)
    return headers


def test_data_shows_nothing_but_itself_when_a_browser_is_led_to_it() -> None:
    headers = headers_of(content_type="application/json; charset=utf-8")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "content-security-policy" in headers_of(content_type="text/event-stream; charset=utf-8")


def test_policy_of_a_route_stays_when_it_has_its_own() -> None:
    headers = headers_of(content_type="application/json", content_security_policy="sandbox")
    assert headers["content-security-policy"] == "sandbox"
    assert "content-security-policy" not in headers_of(content_type="application/pdf")
