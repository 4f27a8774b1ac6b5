"""Chinese and Arabic numerals of chapters and articles (pure)."""

from __future__ import annotations

NUMERAL = r"(?:[一二三四五六七八九十百千零〇○两]{1,9}|\d{1,4}|[０-９]{1,4})"
_DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "○": 0, "两": 2}
_UNITS = {"十": 10, "百": 100, "千": 1000}


def number_of(numeral: str) -> int:
    """Return the value of a numeral: `十二`, `一百零五`, `二〇`, `12`, `１２`; 0 if it is none."""
    if numeral.isdecimal():
        return int(numeral)
    if not any(char in _UNITS for char in numeral):
        digits = [str(_DIGITS[char]) for char in numeral if char in _DIGITS]
        return int("".join(digits)) if digits and len(digits) == len(numeral) else 0
    total = digit = 0
    for char in numeral:
        if char in _UNITS:
            total += (digit or 1) * _UNITS[char]
            digit = 0
        elif char in _DIGITS:
            digit = _DIGITS[char]
        else:
            return 0
    return total + digit
