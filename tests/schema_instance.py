"""JSON schema and a text in, an instance in the text's words out: what a model with structured output does, by rule.

    instance({"type": "object", "properties": {"days": {"type": "integer", "description": "年假天数"}}}, Clues(text))

A value is taken from the sentence that shares most with the property's name and description; numbers are numbers of the
text, strings its quoted words or that sentence. Every result is checked against the schema before it leaves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jsonschema

Schema = Mapping[str, Any]

_MAX_DEPTH = 6
_SENTENCE = re.compile(r"[^。！？!?；;\n]+[。！？!?；;]?")
_LIST_MARK = re.compile(r"^(?:\d{1,2}[.、]|[-*•])\s*")
_NUMBER = re.compile(r"(?<![A-Za-z0-9_.\-])-?\d+(?:\.\d+)?(?![A-Za-z0-9_.]*[A-Za-z_])")
_QUOTED = re.compile("[“「『《]([^”」』》]+)[”」』》]|\"([^\"]+)\"|(?<!\\w)'([^']+)'(?!\\w)")
_WORD = re.compile(r"[a-z0-9]+|[\u3400-\u9fff\U00020000-\U0003ffff]+")
_FORMATS = {
    "date": "2026-11-21",
    "date-time": "2026-11-21T08:00:00+08:00",
    "time": "08:00:00",
    "email": "huozi@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


class NoInstanceError(Exception):
    """The rules make no instance of this schema."""


class Clues:
    """A text to take values from.

    Args:
        text: What the caller wrote.
    """

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        self.sentences = sentences(text)
        self._quoted = quoted(text)
        self._numbers = numbers(text)

    def about(self, wanted: str) -> str:
        """Return the sentence that shares most with `wanted`, or the whole text if none shares anything."""
        return closest(wanted, self.sentences) or self.text

    def words_about(self, wanted: str) -> str:
        """Return a quoted word of the sentence about `wanted`, each once; else that sentence."""
        near = self.about(wanted)
        found = next((word for word in quoted(near) if word in self._quoted), None)
        if found is None:
            return near
        self._quoted.remove(found)
        return found

    def number(self, wanted: str) -> float | None:
        """Return a number of the sentence about `wanted`, else the text's next number."""
        near = numbers(self.about(wanted))
        if near and near != self._numbers:
            return near[0]
        return self._numbers.pop(0) if self._numbers else None


def sentences(text: str) -> list[str]:
    """Return the text's sentences, without blanks and list marks."""
    return [found for match in _SENTENCE.findall(text) if (found := _LIST_MARK.sub("", match.strip()))]


def quoted(text: str) -> list[str]:
    """Return what stands in quotation marks, in order."""
    return [next(group for group in match.groups() if group) for match in _QUOTED.finditer(text)]


def numbers(text: str) -> list[float]:
    """Return the text's numbers, in order; `P20` holds none."""
    return [float(match) for match in _NUMBER.findall(text)]


def closest(wanted: str, candidates: Sequence[str]) -> str | None:
    """Return the candidate that shares most words or pairs of characters with `wanted`; the first of equals."""
    words = _words(wanted)
    scores = [len(words & _words(candidate)) for candidate in candidates]
    best = max(scores, default=0)
    return candidates[scores.index(best)] if best else None


def instance(schema: Schema, clues: Clues) -> Any:
    """Return an instance of a JSON schema.

    Raises:
        NoInstanceError: If the rules find none.
    """
    value = _Maker(schema, clues).value(schema, "", 0)
    try:
        jsonschema.validate(value, schema)
    except jsonschema.ValidationError as error:
        raise NoInstanceError(f"no rule makes an instance of {schema!r}: {error.message}") from error
    return value


class _Maker:
    def __init__(self, root: Schema, clues: Clues) -> None:
        self._root = root
        self._clues = clues

    def value(self, schema: Schema, wanted: str, depth: int) -> Any:
        schema = self._resolved(schema)
        wanted = f"{wanted} {schema.get('description', '')}".strip()
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._choice(schema["enum"], wanted)
        for branches in (schema.get("anyOf"), schema.get("oneOf")):
            if branches:
                return self._branch(branches, wanted, depth)
        kind = _kind(schema)
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, wanted, depth)
        if kind in ("integer", "number"):
            return _bounded(self._clues.number(wanted), schema, kind)
        return {"boolean": True, "null": None}[kind] if kind in ("boolean", "null") else self._string(schema, wanted)

    def _resolved(self, schema: Schema) -> Schema:
        merged = dict(schema)
        while "$ref" in merged:
            target: Any = self._root
            for step in merged.pop("$ref").removeprefix("#/").split("/"):
                target = target[step]
            merged = {**target, **merged}
        for part in merged.pop("allOf", ()):
            merged = {**self._resolved(part), **merged}
        return merged

    def _choice(self, values: Sequence[Any], wanted: str) -> Any:
        text = self._clues.about(wanted) + self._clues.text
        return next((value for value in values if isinstance(value, str) and value in text), values[0])

    def _branch(self, branches: Sequence[Schema], wanted: str, depth: int) -> Any:
        real = [branch for branch in branches if self._resolved(branch).get("type") != "null"]
        if depth >= _MAX_DEPTH and len(real) < len(branches):
            return None
        return self.value(real[0] if real else branches[0], wanted, depth)

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        required = schema.get("required", ())
        properties = schema.get("properties", {})
        kept = properties if depth < _MAX_DEPTH else [name for name in properties if name in required]
        return {name: self.value(properties[name], name.replace("_", " "), depth + 1) for name in kept}

    def _array(self, schema: Schema, wanted: str, depth: int) -> list[Any]:
        least = schema.get("minItems", 0)
        size = max(least, 1 if depth < _MAX_DEPTH and schema.get("maxItems", 1) else 0)
        first = schema.get("prefixItems", ())
        if first:
            return [self.value(item, wanted, depth + 1) for item in first]
        return [self.value(schema.get("items", {}), wanted, depth + 1) for _ in range(size)]

    def _string(self, schema: Schema, wanted: str) -> str:
        if "pattern" in schema:
            return self._matching(schema["pattern"])
        text = _FORMATS.get(schema.get("format", "")) or self._clues.words_about(wanted)
        text = text.ljust(schema.get("minLength", 0), "…")
        return text[: schema.get("maxLength", len(text))]

    def _matching(self, pattern: str) -> str:
        found = re.search(pattern.removeprefix("^").removesuffix("$"), self._clues.text)
        if found is None:
            raise NoInstanceError(f"the text holds nothing that matches {pattern!r}")
        return found[0]


def _kind(schema: Schema) -> str:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    return kind if isinstance(kind, str) else next(name for name in kind if name != "null")


def _bounded(found: float | None, schema: Schema, kind: str) -> float | int:
    step = schema.get("multipleOf", 1 if kind == "integer" else 0.5)
    low = schema.get("minimum", schema["exclusiveMinimum"] + step if "exclusiveMinimum" in schema else None)
    high = schema.get("maximum", schema["exclusiveMaximum"] - step if "exclusiveMaximum" in schema else None)
    value = found if found is not None else low if low is not None else 0
    value = low if low is not None and value < low else high if high is not None and value > high else value
    return int(value) if kind == "integer" else value


def _words(text: str) -> set[str]:
    return set(_pieces(text.lower()))


def _pieces(text: str) -> Iterator[str]:
    for run in _WORD.findall(text):
        if run.isascii():
            yield run
        else:
            yield from (run[start : start + 2] for start in range(max(1, len(run) - 1)))
