"""Write the sample documents that no editor saves as they should be: GBK, Big5, pdf and docx.

The texts lie in `scripts/sample_texts/` as UTF-8; the other samples are written directly in `samples/`. The results are
committed, so this runs only after a text was changed:

    pip install fpdf2 python-docx        (fpdf2 is no dependency of the product)
    python scripts/make_samples.py FONT.ttc BOLD_FONT.ttc

The fonts must allow embedding and hold Chinese glyphs; Noto Sans CJK (SIL Open Font License 1.1) was used. Only the
glyphs in use are embedded.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import docx
from fpdf import FPDF
from fpdf.enums import TableBordersLayout

TEXTS = Path(__file__).parent / "sample_texts"
SAMPLES = Path(__file__).parent.parent / "samples"
ENCODINGS = {"国庆节放假及值班通知.txt": "gbk", "采购管理办法.html": "gb2312", "颱風及暴雨工作安排公告.txt": "big5"}
PAGE_BREAK = "<!-- page -->"
SIMPLIFIED_FACE = 2  # of the faces in a Noto CJK collection: JP, KR, SC, TC, HK
WRITTEN = datetime(2026, 7, 1, 9, 0, tzinfo=UTC)  # fixed: the same text gives the same pdf

Row = tuple[str, ...]
Part = tuple[str, str | list[Row]]


def parts(text: str) -> Iterator[Part]:
    """Give `(kind, content)` for each line of a source: `h1`..`h3`, `p`, `page`, or `table` with all its rows."""
    rows: list[Row] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            cells = tuple(cell.strip() for cell in line.strip("|").split("|"))
            if not all(set(cell) <= {"-"} for cell in cells):
                rows.append(cells)
            continue
        if rows:
            yield "table", rows
            rows = []
        if heading := re.match(r"(#{1,3}) (.*)", line):
            yield f"h{len(heading[1])}", heading[2]
        elif line == PAGE_BREAK:
            yield "page", ""
        elif line:
            yield "p", line


def lines(pdf: FPDF, text: str) -> list[str]:
    """Wrap as Chinese is set: no line starts with closing punctuation, no number or Latin word is cut."""
    result = [""]
    for unit in re.findall(r"[“（《]*(?:[!-~±]+ ?|[^!-~])[，。、；：”）》℃—]*", text):
        if pdf.get_string_width(result[-1] + unit.rstrip()) > pdf.epw - 2 * pdf.c_margin:
            result.append("")
        result[-1] += unit
    return result


class Pages(FPDF):
    """A4 pages with the title above and the page number below."""

    def header(self) -> None:
        """Print the title on all pages but the first."""
        if self.page_no() > 1:
            self.set_font("cjk", size=8)
            self.set_text_color(120)
            self.cell(0, 6, self.title, align="R", new_x="LMARGIN", new_y="NEXT")
            self.set_text_color(0)
            self.ln(4)

    def footer(self) -> None:
        """Print the page number."""
        self.set_y(-15)
        self.set_font("cjk", size=8)
        self.set_text_color(120)
        self.cell(0, 8, f"- {self.page_no()} -", align="C")
        self.set_text_color(0)


def write_pdf(text: str, target: Path, fonts: tuple[str, str]) -> None:
    pdf = Pages(format="A4")
    pdf.set_creation_date(WRITTEN)
    pdf.add_font("cjk", fname=fonts[0], collection_font_number=SIMPLIFIED_FACE)
    pdf.add_font("cjk", style="B", fname=fonts[1], collection_font_number=SIMPLIFIED_FACE)
    pdf.set_title(target.stem)
    pdf.set_author("砚衡传感技术有限公司")
    pdf.set_margins(22, 18, 22)
    pdf.set_auto_page_break(True, margin=20)
    pdf.add_page()
    for kind, content in parts(text):
        if isinstance(content, list):
            pdf.ln(1)
            pdf.set_font("cjk", size=10)
            with pdf.table(content, line_height=7, borders_layout=TableBordersLayout.HORIZONTAL_LINES):
                pass
            pdf.ln(3)
        elif kind == "page":
            pdf.add_page()
        elif kind == "p":
            pdf.set_font("cjk", size=11)
            for line in lines(pdf, content):
                pdf.cell(0, 7, line, new_x="LMARGIN", new_y="NEXT")
            pdf.ln(1.5)
        else:
            size, space = {"h1": (22, 12), "h2": (15, 5), "h3": (12, 2)}[kind]
            pdf.ln(space)
            pdf.set_font("cjk", style="B", size=size)
            pdf.multi_cell(0, size * 0.6, content, new_x="LMARGIN", new_y="NEXT")
            pdf.ln(2)
    pdf.output(str(target))


def write_docx(text: str, target: Path) -> None:
    document = docx.Document()
    properties = document.core_properties
    properties.title, properties.author = target.stem, "砚衡传感技术有限公司"
    properties.created = properties.modified = WRITTEN
    for kind, content in parts(text):
        if isinstance(content, list):
            table = document.add_table(rows=0, cols=len(content[0]), style="Table Grid")
            for row in content:
                for cell, value in zip(table.add_row().cells, row, strict=True):
                    cell.text = value
        elif kind == "p":
            document.add_paragraph(content)
        else:
            document.add_heading(content, level={"h1": 0, "h2": 1, "h3": 2}[kind])
    document.save(str(target))


def main(fonts: tuple[str, str]) -> None:
    for source in sorted(TEXTS.iterdir()):
        text = source.read_text(encoding="utf-8")
        target = SAMPLES / source.name.removesuffix(".md")
        if encoding := ENCODINGS.get(source.name):
            target.write_bytes(text.replace("\n", "\r\n").encode(encoding))
        elif target.suffix == ".pdf":
            write_pdf(text, target, fonts)
        else:
            write_docx(text, target)
        print(f"{target.stat().st_size:>8}  {target.name}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main((sys.argv[1], sys.argv[2]))
