from __future__ import annotations

import pytest

from scripts import install


def test_the_bar_moves_with_each_package_when_pip_speaks() -> None:
    bar = install.Bar(total=4)
    seen = []

    for line in [
        "Obtaining file:///home/me/huozi-assistant\n",
        "Collecting click>=8.1.8 (from huozi-assistant==0.1.0)\n",
        "  Downloading click-8.5.1-py3-none-any.whl (126 kB)\n",
        "Processing /opt/wheels/beautifulsoup4-4.15.0-py3-none-any.whl (from huozi-assistant==0.1.0)\n",
        "WARNING: something\n",
        "Installing collected packages: click, beautifulsoup4\n",
    ]:
        install.read(line, bar)
        seen.append((round(bar.share, 3), bar.text.split(">")[0]))

    assert seen == [
        (0.0, "准备 / preparing"),
        (0.225, "click"),
        (0.225, "click"),
        (0.45, "beautifulsoup4-4.15.0-py3-none-any.whl"),
        (0.45, "beautifulsoup4-4.15.0-py3-none-any.whl"),
        (0.9, "解压安装 / unpacking"),
    ]


def test_the_bar_never_overflows_when_there_are_more_packages_than_expected() -> None:
    bar = install.Bar(total=1)

    for _ in range(3):
        install.read("Collecting click\n", bar)

    assert bar.share == pytest.approx(0.9)
