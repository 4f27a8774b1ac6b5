import subprocess
import sys

import pytest

from ingest.ocr import availability
from ingest.settings import IngestSettings, LoadSettings, OcrSettings
from retrieval.errors import MissingExtraError


@pytest.fixture
def without_extra(monkeypatch):
    monkeypatch.setattr(availability, "is_installed", lambda: False)


def test_missing_extra_is_told_with_its_command_when_pictures_must_be_read(without_extra):
    with pytest.raises(MissingExtraError) as caught:
        availability.require()

    assert str(caught.value) == (
        "Reading scanned pages and pictures needs the extra 'ocr', which is not installed. "
        "Run: pip install 'huozi-assistant[ocr]'"
    )
    assert "pip install 'huozi-assistant[ocr]'" in caught.value.render("zh")


def test_pictures_are_not_read_when_the_extra_is_missing(without_extra):
    assert not availability.is_on(OcrSettings())


def test_pictures_are_not_read_when_it_is_switched_off():
    assert availability.is_on(OcrSettings()) and not availability.is_on(OcrSettings(mode="off"))


def test_settings_read_pictures_in_folders_too_when_they_are_asked_for():
    settings = IngestSettings(load=LoadSettings(max_pages=7, ocr=OcrSettings(mode="off", dpi=200)))

    changed = availability.with_pictures(settings)

    assert (changed.load.ocr.mode, changed.load.ocr.folders, changed.load.ocr.dpi) == ("auto", True, 200)
    assert changed.load.max_pages == 7 and settings.load.ocr.mode == "off"


def test_ocr_is_not_imported_when_no_picture_is_read():
    heavy = "cv2 rapidocr onnxruntime PIL"
    script = (
        "import sys, ingest.sandbox.worker, ingest.loaders.pdf\n"
        f"print(*[name for name in '{heavy}'.split() if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.split() == []
