"""Draw the pictures that tests read: tests/pictures/*.png, one bit a pixel.

    .venv/bin/python scripts/make_pictures.py NotoSansCJK-Regular.ttc

The font must hold simplified and traditional glyphs; Noto Sans CJK (SIL Open Font License 1.1) was used. Only the
pictures of letters are kept.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

FOLDER = Path(__file__).parent.parent / "tests" / "pictures"
SIMPLIFIED_FACE, TRADITIONAL_FACE = 2, 3
NOTICE = [
    (330, 40, 40, "停水通知"),
    (112, 130, 26, "因市政管网检修，3号厂房将于2024年6月18日8:00至17:30停水，请各"),
    (60, 172, 26, "车间提前储水。消防水箱不受影响。"),
    (112, 214, 26, "如有疑问，请拨打服务热线0571-8836或发邮件至wuye@example.com。"),
    (560, 300, 26, "物业管理部"),
    (560, 342, 26, "2024年6月15日"),
]
TRADITIONAL = [
    (60, 40, 30, "臺北市政府環境保護局公告"),
    (60, 110, 26, "主旨：公告龍山寺周邊機車停車格調整事宜。"),
    (60, 152, 26, "依據：道路交通管理處罰條例第九十二條。"),
    (60, 194, 26, "罰鍰新臺幣壹仟貳佰元，請於期限內繳納。"),
]
TABLE = [
    ["设备名称", "型号", "数量", "单价（元）"],
    ["空气压缩机", "GA37", "2", "128000"],
    ["冷却水泵", "IS80-65", "6", "9450.50"],
    ["配电柜", "GGD", "11", "36800"],
]
COLUMNS = (
    "第一条 为了规范仓库的出入管理，保障物资安全，根据公司有关规定，结合本仓库的实际情况，制定本办法。凡进入仓库的"
    "人员和车辆，都应当遵守本办法的规定，并服从值班人员的管理。",
    "第二条 仓库实行封闭管理，外来人员凭有效证件登记后方可进入，离开时须交还临时出入证。夜间二十二点以后不再办理出"
    "入手续，紧急情况由值班经理批准，并在次日上午补办登记。",
)
COLUMN_CHARS = 14


def drawn(font: str, size: tuple[int, int], texts: list[tuple[int, int, int, str]], face: int) -> Image.Image:
    """Return a white sheet with texts at (left, top), in a size of print."""
    sheet = Image.new("L", size, "white")
    pen = ImageDraw.Draw(sheet)
    for left, top, print_size, text in texts:
        pen.text((left, top), text, fill="black", font=ImageFont.truetype(font, print_size, index=face))
    return sheet


def table(font: str) -> Image.Image:
    """Return a sheet with a ruled table."""
    lefts, height = [40, 260, 440, 560, 760], 60
    texts = [
        (lefts[j] + 16, 40 + height * i + 14, 24, cell) for i, row in enumerate(TABLE) for j, cell in enumerate(row)
    ]
    sheet = drawn(font, (800, 320), texts, SIMPLIFIED_FACE)
    pen = ImageDraw.Draw(sheet)
    for i in range(len(TABLE) + 1):
        pen.line([(lefts[0], 40 + height * i), (lefts[-1], 40 + height * i)], fill="black", width=2)
    for left in lefts:
        pen.line([(left, 40), (left, 40 + height * len(TABLE))], fill="black", width=2)
    return sheet


def columns(font: str) -> Image.Image:
    """Return a sheet with two columns of running text."""
    texts = []
    for left, text in zip((40, 460), COLUMNS, strict=True):
        lines = [text[i : i + COLUMN_CHARS] for i in range(0, len(text), COLUMN_CHARS)]
        texts += [(left, 40 + 40 * row, 26, line) for row, line in enumerate(lines)]
    return drawn(font, (880, 400), texts, SIMPLIFIED_FACE)


def main(font: str) -> None:
    """Draw all."""
    FOLDER.mkdir(exist_ok=True)
    sheets = {
        "notice": drawn(font, (1000, 420), NOTICE, SIMPLIFIED_FACE),
        "traditional": drawn(font, (700, 260), TRADITIONAL, TRADITIONAL_FACE),
        "table": table(font),
        "columns": columns(font),
    }
    for name, sheet in sheets.items():
        sheet.point(lambda value: 255 * (value > 140)).convert("1").save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(sys.argv[1])
