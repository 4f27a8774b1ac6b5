"""JSON and JSON Lines: records as a table, anything else as lines of `path: value`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from ingest.encoding import decode
from ingest.errors import BrokenFileError, FileTooLargeError
from ingest.loaders.base import LoadedFile, choose_title
from ingest.loaders.builder import DocumentBuilder
from ingest.loaders.formats import suffix_of
from ingest.settings import LoadSettings

_MAX_KEYS = 100
_TITLES = ("title", "name", "标题", "名称", "问题", "question")


def load(data: bytes, *, source: str, settings: LoadSettings) -> LoadedFile:
    """Parse one value, or one a line."""
    decoded = decode(data, source=source)
    if len(decoded.text) > settings.max_text_chars:
        raise FileTooLargeError(source, len(decoded.text), settings.max_text_chars // (1024 * 1024), unpacked=True)
    by_line = suffix_of(source) in (".jsonl", ".ndjson")
    try:
        value = _lines(decoded.text) if by_line else json.loads(decoded.text)
    except (ValueError, RecursionError) as exc:
        raise BrokenFileError(source, "json", str(exc)[:200]) from exc
    builder = DocumentBuilder(source, settings)
    title = value.get("title") if isinstance(value, dict) else None
    _add(builder, value, settings.max_depth)
    document = builder.build(
        choose_title([title if isinstance(title, str) else None], source), {"encoding": decoded.encoding}
    )
    return LoadedFile(document, "application/jsonl" if by_line else "application/json", "json")


def _lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.split("\n") if line.strip()]


def _add(builder: DocumentBuilder, value: Any, max_depth: int) -> None:
    if isinstance(value, list) and _are_records(value):
        _add_records(builder, value)
    elif isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        for number, one in enumerate(value, 1):
            builder.heading(_title(one, number), 1)
            builder.paragraph("\n".join(_flat(one, "", max_depth)))
    else:
        builder.paragraph("\n".join(_flat(value, "", max_depth)))


def _are_records(values: Sequence[Any]) -> bool:
    """Whether all are objects of plain values, with keys few enough to be columns."""
    if len(values) < 2 or not all(isinstance(one, dict) for one in values):
        return False
    keys = {key for one in values for key in one}
    is_plain = all(not isinstance(cell, dict | list) for one in values for cell in one.values())
    return is_plain and len(keys) <= _MAX_KEYS


def _add_records(builder: DocumentBuilder, records: Sequence[Mapping[str, Any]]) -> None:
    keys = list(dict.fromkeys(key for one in records for key in one))
    rows = (([_plain(one.get(key)) for key in keys], f"#{number}") for number, one in enumerate(records, 1))
    builder.placed_table(chain([(keys, "")], rows), has_header=True)


def _title(record: Mapping[str, Any], number: int) -> str:
    named = next((record[key] for key in _TITLES if isinstance(record.get(key), str) and record[key].strip()), "")
    return f"#{number} {named}".strip()


def _flat(value: Any, path: str, max_depth: int) -> Iterator[str]:
    """Yield one line for each plain value, in order."""
    if isinstance(value, Mapping) and max_depth > 0:
        for key, one in value.items():
            yield from _flat(one, f"{path}.{key}" if path else str(key), max_depth - 1)
    elif isinstance(value, list) and max_depth > 0:
        if all(not isinstance(one, dict | list) for one in value):
            yield _labelled(path, "、".join(filter(None, map(_plain, value))))
        else:
            for number, one in enumerate(value, 1):
                yield from _flat(one, f"{path}[{number}]", max_depth - 1)
    elif text := _plain(value):
        yield _labelled(path, text)


def _labelled(path: str, text: str) -> str:
    return f"{path}: {text}" if path else text


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
