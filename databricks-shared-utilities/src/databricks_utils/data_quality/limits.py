"""The standard's comparison operators, `mustBe` and its kin, applied to a number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from databricks_utils.errors import InvalidInput

_HOLDS: Mapping[str, tuple[str, Callable[[float, Any], bool]]] = {
    "mustBe": ("must be {}", lambda value, limit: value == limit),
    "mustNotBe": ("must not be {}", lambda value, limit: value != limit),
    "mustBeGreaterThan": ("must be greater than {}", lambda value, limit: value > limit),
    "mustBeGreaterOrEqualTo": ("must be at least {}", lambda value, limit: value >= limit),
    "mustBeLessThan": ("must be less than {}", lambda value, limit: value < limit),
    "mustBeLessOrEqualTo": ("must be at most {}", lambda value, limit: value <= limit),
    "mustBeBetween": (
        "must be between {0[0]} and {0[1]}",
        lambda value, limit: limit[0] <= value <= limit[1],
    ),
    "mustNotBeBetween": (
        "must not be between {0[0]} and {0[1]}",
        lambda value, limit: not limit[0] <= value <= limit[1],
    ),
}


def check_limits(limits: Mapping[str, object], where: str) -> None:
    """Check that the operators are known and compare with numbers.

    Raises:
        InvalidInput: There is no operator, an unknown one, or one without a number.
    """
    if not limits:
        raise InvalidInput("The rule says no limit", where=where, hint="Add one, for example mustBe: 0")
    for name, limit in limits.items():
        if name not in _HOLDS:
            raise InvalidInput(f"Unknown operator {name!r}", where=where, hint=f"Known: {', '.join(_HOLDS)}")
        pair = name.endswith("Between")
        numbers = limit if isinstance(limit, list | tuple) else [limit]
        if len(numbers) != (2 if pair else 1) or not all(_is_number(number) for number in numbers):
            hint = f"For example {name}: {'[1, 100]' if pair else '0'}"
            raise InvalidInput(f"{name}: {limit!r} is not what the operator compares with", where=where, hint=hint)


def within(limits: Mapping[str, object], value: float) -> bool:
    """Say whether a number meets all operators."""
    return all(_HOLDS[name][1](value, limit) for name, limit in limits.items())


def described(limits: Mapping[str, object]) -> str:
    """Return the operators in words."""
    return " and ".join(_HOLDS[name][0].format(limit) for name, limit in limits.items())


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
