"""A real Chromium against a running service. A missing browser fails the tests: the page is part of the product."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from api.app import create_app
from tests.unit.api.service import FakeFolder, ScriptedAssistant, running, settings

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# Parsers are processes that have to start, beside a browser and whatever else runs; what is there is seen at once.
expect.set_options(timeout=30_000)


# Not for the session: Playwright's own event loop would be in the way of the asynchronous tests of other modules.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert path, "no Chromium is installed: apt-get install chromium fonts-noto-cjk"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def folder(tmp_path: Path) -> FakeFolder:
    return FakeFolder(tmp_path)


@pytest.fixture
def assistant() -> ScriptedAssistant:
    return ScriptedAssistant()


@pytest.fixture
def address(folder: FakeFolder, assistant: ScriptedAssistant) -> Iterator[str]:
    app = create_app(settings(), folder=folder, assistant=assistant)  # type: ignore[arg-type]
    with running(app) as url:
        yield url


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A fresh page; whatever it asks of another host, and any error in its scripts, fails the test."""
    context = browser.new_context(locale="zh-CN", viewport={"width": 1280, "height": 800})
    context.set_default_timeout(10_000)
    opened = context.new_page()
    outside: list[str] = []
    defects: list[str] = []
    opened.on("request", lambda request: None if request.url.startswith(address) else outside.append(request.url))
    opened.on("pageerror", lambda error: defects.append(str(error)))
    opened.on("dialog", lambda dialog: (defects.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    yield opened
    context.close()
    assert outside == []
    assert defects == []
