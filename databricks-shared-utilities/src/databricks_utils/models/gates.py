"""What a model must show before it may replace another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from databricks_utils.errors import InvalidInput


@dataclass(frozen=True)
class Gate:
    """A condition on one metric.

    Args:
        metric: Its name in the model's run.
        at_least: Least value allowed.
        at_most: Greatest value allowed.
        gain: By how much it must be better than the champion's; negative allows it to be worse by so much. Without a
            champion, as for a first model, this passes.
        greater_is_better: Which direction `gain` counts in.

    Raises:
        InvalidInput: The gate demands nothing.
    """

    metric: str
    at_least: float | None = None
    at_most: float | None = None
    gain: float | None = None
    greater_is_better: bool = True

    def __post_init__(self) -> None:
        if self.at_least is None and self.at_most is None and self.gain is None:
            hint = "Give at_least, at_most or gain"
            raise InvalidInput("The gate lets everything pass", where=f"gate {self.metric}", hint=hint)

    def failures(self, challenger: Mapping[str, float], champion: Mapping[str, float] | None) -> list[str]:
        """Return why the challenger does not pass, in words; nothing when it does.

        Args:
            challenger: Its metrics.
            champion: Those of the model to replace, None where there is none.
        """
        value = challenger.get(self.metric)
        if value is None or not math.isfinite(value):
            return [f"{self.metric} of the challenger is {'missing' if value is None else value}"]
        found = []
        if self.at_least is not None and value < self.at_least:
            found.append(f"{self.metric} is {value:.6g}, at least {self.at_least:g} is needed")
        if self.at_most is not None and value > self.at_most:
            found.append(f"{self.metric} is {value:.6g}, at most {self.at_most:g} is allowed")
        if self.gain is not None and champion is not None:
            found += self._behind(value, champion.get(self.metric), self.gain)
        return found

    def _behind(self, value: float, reigning: float | None, gain: float) -> list[str]:
        if reigning is None or not math.isfinite(reigning):
            return [f"{self.metric} of the champion is {'missing' if reigning is None else reigning}"]
        better = value - reigning if self.greater_is_better else reigning - value
        if better >= gain:
            return []
        both = f"{self.metric} is {value:.6g} and the champion's {reigning:.6g}"
        return [f"{both}: better by {better:.6g}, not by {gain:g}"]


def gate_failures(
    gates: Sequence[Gate], challenger: Mapping[str, float], champion: Mapping[str, float] | None
) -> tuple[str, ...]:
    """Return why a challenger does not pass, over all gates.

    Raises:
        InvalidInput: There are no gates, so that everything would pass.
    """
    if not gates:
        raise InvalidInput("There are no gates, so any model would pass", where="gates", hint="Give one or more")
    return tuple(failure for gate in gates for failure in gate.failures(challenger, champion))
