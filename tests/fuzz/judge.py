"""What became of mutated files: nothing may hang, harm the service, or be stored without text or with garbled text."""

from __future__ import annotations

import io
import re
import time
import unicodedata
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from random import Random

from ingest.archives import Archive
from ingest.errors import IngestError
from ingest.sandbox.ahead import Parser
from ingest.sandbox.parse import Parsed, ParseJob, parse
from ingest.settings import IngestSettings, LoadSettings, OcrSettings
from tests.fuzz.mutate import mutate
from tests.fuzz.seeds import format_of

LIMIT_S = 20.0
PAGE_LIMIT_S = OcrSettings().max_seconds_per_page
"""More for each page that is read as a picture: the file's clock stands still meanwhile."""
PICTURED = ("image", "pdf", "docx", "pptx", "xlsx")
"""Formats in which pictures are read."""
SETTINGS = IngestSettings(parse_apart="always", load=LoadSettings(max_seconds=LIMIT_S, max_seconds_per_mb=0))
MAX_STRANGE = 0.25
"""Of a text, by its characters: more is garbled. Less is damage in places, which valid bytes do not show."""
_CONTAINED = re.compile(r"\((SIG\w+|signal \d+|exit status \d+)\)|MB of memory")
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
        """The seed's loader; `zip` for an archive."""
        return format_of(self.seed)


@dataclass(frozen=True)
class Verdict:
    """What became of a case.

    Args:
        case: Which.
        outcome: `done`, or the error's code.
        seconds: From the result before to this one; of an archive the most of one of its documents.
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
        by_format.setdefault(format_of(name), []).append(name)
    kinds = sorted(by_format)
    for number in range(count):
        name = random.choice(by_format[kinds[number % len(kinds)]])
        way, data = mutate(seeds[name], random)
        yield Case(number, name, way, data)


Found = tuple[Case, Parsed | IngestError | Exception]


def judge(given: Iterable[Case], familiar: frozenset[str]) -> Iterator[Verdict]:
    """Parse every case as an ingestion does, and tell what became of it, in order.

    Args:
        given: The cases.
        familiar: Characters that the sound files hold.
    """
    closed: deque[Found] = deque()
    with Parser(SETTINGS) as parser:
        found = _timed(_in_order(parser.parse_all(_jobs(given, closed)), closed))
        for _, results in groupby(found, key=lambda one: one[0].number):
            yield _verdict(list(results), familiar)


def _timed(found: Iterable[Found]) -> Iterator[tuple[Case, Parsed | IngestError | Exception, float]]:
    """Yield each with the seconds from the one before."""
    before = time.monotonic()
    for case, result in found:
        now = time.monotonic()
        yield case, result, now - before
        before = now


def _jobs(given: Iterable[Case], closed: deque[Found]) -> Iterator[tuple[Case, ParseJob]]:
    """Yield what is to be parsed of each case; for an archive its documents, or into `closed` why there are none."""
    for case in given:
        if case.format != "zip":
            yield case, ParseJob(f"{case.number}-{case.seed}", case.data)
            continue
        try:
            # Opened by the service itself, as an ingestion does it: nothing but our errors may come out.
            with Archive(io.BytesIO(case.data), case.seed, SETTINGS.load) as archive:
                for member in archive.members:
                    try:
                        data = archive.read(member, member.name, SETTINGS.max_upload_mb)
                    except IngestError as error:
                        closed.append((case, error))
                    else:
                        yield case, ParseJob(f"{case.number}-{member.name}", data)
        except Exception as error:
            closed.append((case, error))


def _in_order(parsed: Iterable[tuple[Case, Parsed | IngestError]], closed: deque[Found]) -> Iterator[Found]:
    for case, result in parsed:
        while closed and closed[0][0].number <= case.number:
            yield closed.popleft()
        yield case, result
    yield from closed


def _verdict(results: list[tuple[Case, Parsed | IngestError | Exception, float]], familiar: frozenset[str]) -> Verdict:
    codes = [one.code if isinstance(one, IngestError) else "done" for _, one, _ in results]
    faults = [fault for _, one, seconds in results if (fault := fault_of(one, seconds, familiar, results[0][0].format))]
    seconds = max(seconds for *_, seconds in results)
    return Verdict(results[0][0], "done" if "done" in codes else codes[0], seconds, faults[0] if faults else "")


def n_pictures(result: Parsed | IngestError | Exception, format_name: str) -> int:
    """Return how many pages may have been read as pictures; none of formats that hold no pictures."""
    if format_name not in PICTURED:
        return 0
    return max(1, len(result.document.page_starts)) if isinstance(result, Parsed) else 1


def fault_of(
    result: Parsed | IngestError | Exception, seconds: float, familiar: frozenset[str], format_name: str
) -> str:
    """Return what is wrong with a result, or nothing."""
    if not isinstance(result, Parsed | IngestError):
        return f"crash: {result!r}"
    if seconds > LIMIT_S + 2 + n_pictures(result, format_name) * PAGE_LIMIT_S:
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
    """Tell whether a worker died for it or had no more memory, not the service."""
    return bool(_CONTAINED.search(verdict.fault))
