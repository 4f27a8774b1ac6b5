"""What became of mutated files: nothing may hang, harm the service, or be stored without text or with garbled text."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from random import Random

from ingest.errors import IngestError
from ingest.loaders import SUFFIXES
from ingest.loaders.formats import suffix_of
from ingest.sandbox.ahead import Parser
from ingest.sandbox.parse import Parsed, ParseJob, parse
from ingest.settings import IngestSettings, LoadSettings
from tests.fuzz.mutate import mutate

LIMIT_S = 20.0
SETTINGS = IngestSettings(parse_apart="always", load=LoadSettings(max_seconds=LIMIT_S, max_seconds_per_mb=0))
MAX_STRANGE = 0.25
"""Of a text, by its characters: more is garbled. Less is damage in places, which valid bytes do not show."""
_SIGNAL = re.compile(r"\((SIG\w+|signal \d+|exit status \d+)\)")
_FOREIGN_NAME = re.compile(
    r"LATIN|GREEK|CYRILLIC|HANGUL|KATAKANA|HIRAGANA|ARABIC|HEBREW|THAI|CJK|YI |FULLWIDTH|HALFWIDTH"
)


@dataclass(frozen=True)
class Case:
    """A mutated file."""

    number: int
    seed: str
    way: str
    data: bytes

    @property
    def format(self) -> str:
        """The seed's loader."""
        return SUFFIXES[suffix_of(self.seed)]


@dataclass(frozen=True)
class Verdict:
    """What became of a case.

    Args:
        case: Which.
        outcome: `done`, or the error's code.
        seconds: From one result to the next.
        fault: What should not be; empty where all is well.
    """

    case: Case
    outcome: str
    seconds: float
    fault: str = ""


def cases(seeds: dict[str, bytes], count: int, seed: int) -> Iterator[Case]:
    """Yield mutated files, the same for the same seed, formats in turn."""
    random = Random(seed)
    by_format: dict[str, list[str]] = {}
    for name in sorted(seeds):
        by_format.setdefault(SUFFIXES[suffix_of(name)], []).append(name)
    kinds = sorted(by_format)
    for number in range(count):
        name = random.choice(by_format[kinds[number % len(kinds)]])
        way, data = mutate(seeds[name], random)
        yield Case(number, name, way, data)


def judge(given: Iterable[Case], familiar: frozenset[str]) -> Iterator[Verdict]:
    """Parse every case as an ingestion does, and tell what became of it.

    Args:
        given: The cases.
        familiar: Characters that the sound files hold.
    """
    jobs = ((case, ParseJob(f"{case.number}-{case.seed}", case.data)) for case in given)
    with Parser(SETTINGS) as parser:
        before = time.monotonic()
        for case, result in parser.parse_all(jobs):
            now = time.monotonic()
            outcome = result.code if isinstance(result, IngestError) else "done"
            yield Verdict(case, outcome, now - before, fault_of(result, now - before, familiar))
            before = now


def fault_of(result: Parsed | IngestError, seconds: float, familiar: frozenset[str]) -> str:
    """Return what is wrong with a result, or nothing."""
    if seconds > LIMIT_S + 2:
        return "hang"
    if isinstance(result, IngestError):
        if result.code == "parser_limit":
            return f"stopped: {result.message.en}"
        # Contained, but a defect of ours or of a library: the worker died, or no loader foresaw the error.
        return f"crash: {result.message.en}" if result.code == "parser_crashed" else ""
    text = result.document.text
    if not text.strip():
        return "no text"
    return "garbled" if strangeness(text, familiar) > MAX_STRANGE else ""


def strangeness(text: str, familiar: frozenset[str]) -> float:
    """Return the share of characters that no reader would have written: unreadable ones, and strangers.

    A character repeated by a mutation is one.
    """
    chars = [char for char, _ in groupby(text)]
    return sum(_is_strange(char, familiar) for char in chars) / max(len(chars), 1)


def _is_strange(char: str, familiar: frozenset[str]) -> bool:
    if char.isascii():
        return char < " " and char not in "\t\n\r\f"
    return char not in familiar or unicodedata.category(char) in ("Cc", "Cn", "Co", "Cs")


def characters(seeds: dict[str, bytes]) -> frozenset[str]:
    """Return all characters of the sound files."""
    found: set[str] = set()
    for name, data in seeds.items():
        try:
            found.update(parse(ParseJob(name, data), SETTINGS).document.text)
        except IngestError:
            continue
    return frozenset(found - {"\ufffd"})


def is_contained(verdict: Verdict) -> bool:
    """Tell whether a worker died for it, not the service."""
    return bool(_SIGNAL.search(verdict.fault))
