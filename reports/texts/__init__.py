"""Words, numbers and dates of reports by language. The words live in <language>.toml, not in code.

Numbers and dates are written as the Unicode CLDR says, through Babel.

It formats and looks up; it decides nothing about a report's content.
"""

import tomllib
from datetime import date
from functools import lru_cache
from importlib import resources
from math import isfinite
from typing import Any

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal, format_percent

from reports.errors import ReportError

LANGUAGES = {"en": "en_GB", "de": "de_DE"}


@lru_cache(maxsize=8)
def _table(language: str) -> dict[str, str]:
    if language not in LANGUAGES:
        known = ", ".join(LANGUAGES)
        raise ReportError(f"No report texts for the language {language!r:.40}; known: {known}.")
    raw = resources.files("reports.texts").joinpath(f"{language}.toml").read_text("utf-8")
    return dict(_flatten("", tomllib.loads(raw)))


def _flatten(prefix: str, value: dict[str, Any]) -> list[tuple[str, str]]:
    flat: list[tuple[str, str]] = []
    for key, item in value.items():
        name = f"{prefix}{key}"
        flat += _flatten(f"{name}.", item) if isinstance(item, dict) else [(name, str(item))]
    return flat


class Texts:
    """The words of one language and the way it writes numbers and dates."""

    def __init__(self, language: str) -> None:
        """Load a language.

        Raises:
            ReportError: no texts exist for it.
        """
        self.language = language
        self._words = _table(language)
        self._locale = Locale.parse(LANGUAGES[language])

    def __call__(self, key: str, **values: Any) -> str:
        """Return the text for a key with its values filled in; an unknown key is an error."""
        if key not in self._words:
            raise ReportError(f"The report text {key!r} is missing in {self.language}.toml.")
        return self._words[key].format(**values) if values else self._words[key]

    def word(self, group: str, key: Any) -> str:
        """Return a word from a group, or the key itself where the group does not know it."""
        return self._words.get(f"{group}.{key}", str(key))

    def prefixed(self, group: str) -> dict[str, str]:
        """Return every text of a group, in the order of the file."""
        cut = len(group) + 1
        return {k[cut:]: v for k, v in self._words.items() if k.startswith(f"{group}.")}

    def number(self, value: Any, digits: int = 3) -> str:
        """Write a number with fixed decimals, or the mark for a value that was not measured."""
        if not _is_number(value):
            return self("mark.none")
        if value and abs(value) < 0.5 * 10**-digits:
            text = f"{value:.1e}".replace(".", self._point)
        else:
            places = 0 if isinstance(value, int) else digits
            text = format_decimal(
                value, _pattern(places), locale=self._locale, decimal_quantization=True
            )
        return text.replace("-", "\u2212")

    def percent(self, value: Any, digits: int = 1) -> str:
        """Write a share as per cent."""
        if not _is_number(value):
            return self("mark.none")
        pattern = self._locale.percent_formats[None].pattern.replace("#,##0", _pattern(digits))
        text = format_percent(value, pattern, locale=self._locale)
        return text.replace("-", "\u2212")

    def interval(self, low: Any, high: Any, digits: int = 3) -> str:
        """Write a 95 % interval, or nothing where a bound is missing."""
        if low is None or high is None:
            return self("mark.none")
        return self("mark.interval", low=self.number(low, digits), high=self.number(high, digits))

    def date(self, value: Any) -> str:
        """Write an RFC 3339 time or date for people; what is not one is shown as it came."""
        text = str(value or "")
        try:
            day = date.fromisoformat(text[:10])
        except ValueError:
            return text or self("mark.none")
        written = format_date(day, "long", locale=self._locale)
        return f"{written}, {text[11:16]} UTC" if text[11:16] and text.endswith("Z") else written

    @property
    def _point(self) -> str:
        return str(self._locale.number_symbols["latn"]["decimal"])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _pattern(places: int) -> str:
    return "#,##0" + ("." + "0" * places if places else "")
