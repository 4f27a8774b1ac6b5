"""Synthetic Chinese documents: the same ones every time, without any corpus.

Words of one to four characters over the 3,755 characters of GB 2312's first level, words and characters both drawn by
rank (Zipf), so common pairs are common and most are rare, as in real text. Sentences, paragraphs and headings have
spread lengths.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ingest.records import TextRecord

_ONE_CHARACTER = "的了在是和与对按由应不为及或将可并从以等其该各有到中后前内上须于被把向经因则"
_TWO_CHARACTERS = "公司员工管理部门规定工作进行使用要求负责申请系统项目人员应当可以相关以及需要如果"
_FUNCTION_WORDS = [*_ONE_CHARACTER, *(_TWO_CHARACTERS[i : i + 2] for i in range(0, len(_TWO_CHARACTERS), 2))]
_MIXED_WORDS = ["2024年", "30%", "3.5", "ISO9001", "GPT-4", "VPN", "12个月", "500元", "IT", "24小时", "V2.1", "PDF"]
_N_WORDS = 30_000


class Texts:
    """A source of documents.

    Args:
        seed: Equal seeds give equal documents.
    """

    def __init__(self, seed: int = 7) -> None:
        self._random = np.random.default_rng(seed)
        self._words, self._cumulative = self._vocabulary()

    def records(self, count: int, *, chars: int) -> Iterator[TextRecord]:
        """Yield documents of about `chars` characters each, every second one with Markdown headings."""
        for number in range(count):
            title = f"{self.phrase(4)}（{number}）"
            text = self._document(chars, is_markdown=number % 2 == 0)
            yield TextRecord(f"bench/{number:06d}.md", title, text, {"year": str(2015 + number % 10)})

    def phrase(self, n_words: int) -> str:
        """Return some words joined."""
        return "".join(self._draw(n_words))

    def paragraph(self) -> str:
        """Return two to seven sentences."""
        return "".join(self._sentence() for _ in range(int(self._random.integers(2, 8))))

    def _document(self, chars: int, *, is_markdown: bool) -> str:
        parts: list[str] = []
        size, section = 0, 0
        while size < chars:
            section += 1
            heading = self.phrase(3)
            parts.append(f"## {heading}" if is_markdown else f"第{section}章 {heading}")
            for _ in range(int(self._random.integers(2, 6))):
                parts.append(self.paragraph())
            size = sum(map(len, parts))
        return "\n\n".join(parts) + "\n"

    def _sentence(self) -> str:
        words = self._draw(max(3, int(self._random.lognormal(2.6, 0.5))))
        clauses = [words[i : i + 8] for i in range(0, len(words), 8)]
        return "，".join("".join(clause) for clause in clauses) + "。"

    def _draw(self, count: int) -> list[str]:
        places = np.searchsorted(self._cumulative, self._random.random(count))
        return [self._words[place] for place in places]

    def _vocabulary(self) -> tuple[list[str], np.ndarray]:
        random = self._random
        level_one = bytes(
            byte for row in range(0xB0, 0xD8) for cell in range(0xA1, 0xFF) for byte in (row, cell)
        ).decode("gb2312", "ignore")
        chars = random.permutation(list(level_one))
        weights = 1 / (np.arange(len(chars)) + 30)
        pool = iter(random.choice(chars, size=_N_WORDS * 4, p=weights / weights.sum()))
        lengths = random.choice([1, 2, 3, 4], size=_N_WORDS, p=[0.06, 0.66, 0.18, 0.10])
        made = dict.fromkeys("".join(next(pool) for _ in range(length)) for length in lengths)
        words = [*_FUNCTION_WORDS, *list(made)[:400], *_MIXED_WORDS, *list(made)[400:]]
        # 1.3 gives 51,000 different pairs in 140,000 characters; encyclopedia and web text have 47,000 to 58,000.
        ranks = 1 / (np.arange(len(words)) + 8) ** 1.3
        return words, np.cumsum(ranks / ranks.sum())
