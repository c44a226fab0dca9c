"""Two versions that answered for different entities: what became of each side, and whether one of them was better."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from databricks_utils.errors import InvalidInput
from databricks_utils.models.intervals import Interval, numbers_of, z_of

Numbers = NDArray[np.float64]
Side = Literal["champion", "challenger"]


@dataclass(frozen=True)
class Arm:
    """One side of a comparison.

    Args:
        entities: How many were answered for, and have an outcome by now.
        mean: Of their outcomes, with its interval; nothing is known of fewer than two.
    """

    entities: int
    mean: Interval


@dataclass(frozen=True)
class Comparison:
    """What became of both sides.

    Args:
        champion: Those that the champion answered for.
        challenger: Those that the challenger answered for.
        difference: Mean of the challenger's less that of the champion's, with its interval.
        winner: The better side; None where that cannot be said.
        because: Why one, or none, has won, for people.
    """

    champion: Arm
    challenger: Arm
    difference: Interval
    winner: Side | None
    because: str


def compare_arms(
    champion: Numbers, challenger: Numbers, *, least: int, greater_is_better: bool, confidence: float = 0.95
) -> Comparison:
    """Compare outcomes of two sides. No side wins with fewer than `least` entities on either, however they differ.

    Shares of 0 and 1 have Wilson's interval, and their difference that of Newcombe (Interval estimation for the
    difference between independent proportions, 1998, method 10); amounts have those of Welch, with normal quantiles.

    The confidence is that of one look. Who looks every day and stops at the first winner finds one by chance: fix
    `least` before the comparison begins, and look when it is reached.

    Args:
        champion: One outcome for each entity of the champion.
        challenger: Likewise of the challenger.
        least: Entities that each side must have, 2 or more.
        greater_is_better: Whether a greater outcome is the better one.
        confidence: Share of such intervals that hold the true value.

    Raises:
        InvalidInput: `least` is below 2, the confidence is none, or an outcome is NaN or infinite.
    """
    if least < 2:
        hint = "Say how many entities each side must have, 2 or more"
        raise InvalidInput(f"{least} is no number to judge by", where="compare_arms", hint=hint)
    z = z_of(confidence)
    champion, challenger = (
        numbers_of(values, where=f"outcomes of the {side}")
        for side, values in (("champion", champion), ("challenger", challenger))
    )
    shares = all(np.isin(values, (0.0, 1.0)).all() for values in (champion, challenger))
    first, second = (Arm(len(values), _mean(values, z, shares)) for values in (champion, challenger))
    difference = _difference(first.mean, second.mean)
    few = min(first.entities, second.entities)
    winner: Side | None = None
    if few < least:
        because = f"{few} entities on the smaller side, {least} are needed"
    elif difference.low <= 0 <= difference.high:
        because = f"the difference may be none: {difference.low:.3g} to {difference.high:.3g}"
    else:
        winner = "challenger" if (difference.value > 0) == greater_is_better else "champion"
        because = f"the difference is {difference.low:.3g} to {difference.high:.3g}"
    return Comparison(first, second, difference, winner, because)


def _mean(values: Numbers, z: float, shares: bool) -> Interval:
    count = len(values)
    if count < 2:
        return Interval(float(values.mean()) if count else math.nan, -math.inf, math.inf)
    # The mean of equal numbers is another number, by rounding: between two such sides one would win.
    mean = float(values[0] if values.min() == values.max() else values.mean())
    if not shares:
        half = z * float(values.std(ddof=1)) / math.sqrt(count)
        return Interval(mean, mean - half, mean + half)
    centre, spread = mean + z * z / (2 * count), z * math.sqrt(mean * (1 - mean) / count + (z / (2 * count)) ** 2)
    scale = 1 + z * z / count
    return Interval(mean, max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale))


def _difference(first: Interval, second: Interval) -> Interval:
    """Return second less first; each end takes the halves of the intervals that point there."""
    value = second.value - first.value
    down = math.hypot(second.value - second.low, first.high - first.value)
    up = math.hypot(second.high - second.value, first.value - first.low)
    if not math.isfinite(value + down + up):
        return Interval(value, -math.inf, math.inf)
    return Interval(value, value - down, value + up)
