r"""Contract patterns (ECMA-262) as Java patterns, which Spark runs.

The two dialects read some of the same text differently: `$` lets Java skip a last line break, `[[]` opens a
nested class in Java, `\v` is one character in one and six in the other. What can be said in both is
translated; what cannot is refused.

Sources: ECMA-262 section "RegExp (Regular Expression) Objects";
the documentation of `java.util.regex.Pattern`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable

from databricks_utils.errors import InvalidInput

_WORD = "[A-Za-z0-9_]"
_SPACE = r"\s\uFEFF\p{Z}"
_QUANTIFIER = re.compile(r"(?:[*+?]|\{\d+(?:,\d*)?\})\??")
_OUTSIDE = {
    ".": r"[^\n\r\u2028\u2029]",
    "^": r"\A",
    "$": r"\z",
    r"\s": f"[{_SPACE}]",
    r"\S": f"[^{_SPACE}]",
    # Written out, because Java's own \b counts letters of every alphabet before release 19.
    r"\b": f"(?:(?<={_WORD})(?!{_WORD})|(?<!{_WORD})(?={_WORD}))",
    r"\B": f"(?:(?<={_WORD})(?={_WORD})|(?<!{_WORD})(?!{_WORD}))",
}
_INSIDE = {r"\s": _SPACE, r"\b": r"\x08", "[": r"\[", "&": r"\&"}
_SAME = frozenset("dDwWtnrf")
_NAMED_GROUP = re.compile(r"\(\?<[A-Za-z_$][\w$]*>")
_CATEGORY = re.compile(r"\\[pP]\{[A-Z][a-z]?\}")
_CODE_POINTS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], int]], ...] = (
    (re.compile(r"\\v"), lambda _: 0x0B),
    (re.compile(r"\\0(?!\d)"), lambda _: 0),
    (re.compile(r"\\c([A-Za-z])"), lambda match: ord(match[1]) % 32),
    (re.compile(r"\\x([0-9A-Fa-f]{2})"), lambda match: int(match[1], 16)),
    (re.compile(r"\\u([0-9A-Fa-f]{4})"), lambda match: int(match[1], 16)),
    (re.compile(r"\\u\{([0-9A-Fa-f]{1,6})\}"), lambda match: int(match[1], 16)),
)


def java_pattern(pattern: str, where: str) -> str:
    r"""Translate an ECMA-262 pattern.

    A value meets a contract's pattern when the whole value matches, whether or not the pattern begins with
    `^` and ends with `$`. Letters, digits and word characters mean ASCII, a character is a code point, and
    case counts.

    Args:
        pattern: The pattern as the contract states it.
        where: File and key, for the message.

    Returns:
        A Java pattern that matches a whole value or nothing.

    Raises:
        InvalidInput: The pattern is wrong, or says something Java cannot say in the same way: back
            references, lookbehind, flags, empty classes, escapes of letters without a meaning.
    """
    reader = _Reader(pattern, where)
    translated = reader.translate()
    _check_structure(pattern, "".join(reader.checked), where)
    return rf"\A(?:{translated})\z"


def _check_structure(pattern: str, checked: str, where: str) -> None:
    """Let Python's parser find unbalanced groups, wrong ranges and the like, which all dialects share."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(checked)
    except (re.error, FutureWarning, DeprecationWarning, OverflowError) as error:
        raise InvalidInput(
            f"The pattern {pattern!r} is not a regular expression: {error}",
            where=where,
            hint="Correct the pattern",
        ) from error


class _Reader:
    """One pass over a pattern; `checked` collects the same pattern in a form Python can parse."""

    def __init__(self, pattern: str, where: str) -> None:
        self.text = pattern
        self.where = where
        self.at = 0
        self.checked: list[str] = []

    def translate(self) -> str:
        java: list[str] = []
        while self.at < len(self.text):
            java.append(self._piece())
        return "".join(java)

    def _piece(self) -> str:
        character = self.text[self.at]
        if quantifier := _QUANTIFIER.match(self.text, self.at):
            return self._quantifier(quantifier.group())
        if character == "\\":
            return self._escape(_OUTSIDE)
        if character == "[":
            return self._class()
        if character == "(":
            return self._group()
        if character == "{":
            raise self._refused("{", r"Write \{ for the character itself, or {n}, {n,} or {n,m} for a repetition")
        self.at += 1
        self.checked.append("." if character in _OUTSIDE else re.escape(character) if character in "}]" else character)
        return _OUTSIDE.get(character, f"\\{character}" if character in "}]" else character)

    def _quantifier(self, text: str) -> str:
        self.at += len(text)
        if _QUANTIFIER.match(self.text, self.at):
            raise self._refused(
                text + self.text[self.at], "Give each part one repetition; put a group around it if need be"
            )
        self.checked.append(text)
        return text

    def _group(self) -> str:
        for opening in ("(?:", "(?=", "(?!"):
            if self.text.startswith(opening, self.at):
                return self._taken(opening, opening)
        if named := _NAMED_GROUP.match(self.text, self.at):
            self._taken(named.group(), "(")
            return "("
        if self.text.startswith("(?", self.at):
            hint = "Of the groups that begin with (? only (?:…), (?=…), (?!…) and (?<name>…) can be used"
            raise self._refused(self.text[self.at : self.at + 4], hint)
        return self._taken("(", "(")

    def _class(self) -> str:
        start, negated = self.at, self.text.startswith("[^", self.at)
        java = [self._taken("[^" if negated else "[", "[^" if negated else "[")]
        if self.text.startswith("]", self.at):
            raise self._refused(self.text[start : self.at + 1], "Name at least one character between the brackets")
        while self.at < len(self.text) and self.text[self.at] != "]":
            java.append(self._member(negated))
        if self.at == len(self.text):
            raise self._refused(self.text[start:], "Close the bracket")
        return "".join([*java, self._taken("]", "]")])

    def _member(self, negated: bool) -> str:
        if self.text.startswith(r"\S", self.at):
            if negated:
                raise self._refused(r"\S", r"Write [\s…] instead of [^\S…]")
            return self._taken(r"\S", r"\S", f"[^{_SPACE}]")
        character = self.text[self.at]
        if character == "\\":
            return self._escape(_INSIDE)
        escaped = f"\\{character}" if character in "[&~|" else character
        return self._taken(character, escaped, _INSIDE.get(character, character))

    def _escape(self, meanings: dict[str, str]) -> str:
        rest = self.text[self.at : self.at + 2]
        letter = rest[1:]
        if rest in meanings:
            return self._taken(rest, r"\x08" if meanings is _INSIDE and letter == "b" else rest, meanings[rest])
        if letter in _SAME and letter:
            return self._taken(rest, rest)
        if code := self._code_point():
            return code
        if category := _CATEGORY.match(self.text, self.at):
            return self._taken(category.group(), r"\w", category.group())
        if letter.isascii() and letter and not letter.isalnum():
            return self._taken(rest, re.escape(letter), f"\\{letter}")
        raise self._refused(rest, "Use only the escapes of ECMA-262; back references cannot be used")

    def _code_point(self) -> str | None:
        for form, code_of in _CODE_POINTS:
            if match := form.match(self.text, self.at):
                code = code_of(match)
                if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
                    raise self._refused(match.group(), r"Write one whole character, as in \u{1F600}")
                return self._taken(match.group(), re.escape(chr(code)), rf"\x{{{code:X}}}")
        return None

    def _taken(self, text: str, checked: str, java: str | None = None) -> str:
        self.at += len(text)
        self.checked.append(checked)
        return text if java is None else java

    def _refused(self, part: str, hint: str) -> InvalidInput:
        return InvalidInput(f"The pattern {self.text!r} has {part!r}, which cannot be run", where=self.where, hint=hint)
