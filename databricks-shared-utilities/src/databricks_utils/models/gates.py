"""What a model must show before it may replace another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real

from databricks_utils.errors import InvalidInput

_DEMANDS = ("at_least", "at_most", "gain", "above", "too_good")


@dataclass(frozen=True)
class Gate:
    """A condition on one metric.

    Args:
        metric: Its name in the model's run.
        at_least: Least value allowed.
        at_most: Greatest value allowed.
        above: Value that must be exceeded: what a constant prediction reaches is not enough.
        gain: By how much it must be better than the champion's; negative allows it to be worse by so much. Without a
            champion, as for a first model, this passes.
        greater_is_better: Which direction `gain` and `too_good` count in.
        too_good: Value from which on, or down to which, a leak is suspected: a feature that knows the future. The gate
            is closed until somebody has looked and `acknowledged` names the version.
        acknowledged: Number of the version that somebody has looked at; it opens the gate for this one only.
        acknowledge_in: Where to write that number, for people.

    Raises:
        InvalidInput: The gate demands nothing, or something that is no finite number: no value is less than NaN.
    """

    metric: str
    at_least: float | None = None
    at_most: float | None = None
    gain: float | None = None
    greater_is_better: bool = True
    above: float | None = None
    too_good: float | None = None
    acknowledged: int | None = None
    acknowledge_in: str = "acknowledged"

    def __post_init__(self) -> None:
        for name in _DEMANDS:
            _require_number(getattr(self, name), where=f"gate {self.metric}, {name}")
        if all(getattr(self, name) is None for name in _DEMANDS):
            hint = "Give at_least, at_most, above, gain or too_good"
            raise InvalidInput("The gate lets everything pass", where=f"gate {self.metric}", hint=hint)

    def failures(
        self, challenger: Mapping[str, float], champion: Mapping[str, float] | None, version: int | None = None
    ) -> list[str]:
        """Return why the challenger does not pass, in words; nothing when it does.

        Args:
            challenger: Its metrics.
            champion: Those of the model to replace, None where there is none.
            version: Number of the challenger, which an acknowledgement must name.
        """
        value = challenger.get(self.metric)
        if value is None or not math.isfinite(value):
            return [f"{self.metric} of the challenger is {'missing' if value is None else value}"]
        found = []
        if self.at_least is not None and value < self.at_least:
            found.append(f"{self.metric} is {value:.6g}, at least {self.at_least:g} is needed")
        if self.at_most is not None and value > self.at_most:
            found.append(f"{self.metric} is {value:.6g}, at most {self.at_most:g} is allowed")
        if self.above is not None and value <= self.above:
            found.append(f"{self.metric} is {value:.6g}, more than {self.above:g} is needed")
        if self.too_good is not None and self._suspicious(value, self.too_good, version):
            found.append(
                f"{self.metric} is {value:.6g}, which is too good to be taken unseen (limit {self.too_good:g}): does a "
                f"feature know the future? Look at those that count most in the model card. If none does, write "
                f"{self.acknowledge_in}: {'the number of this version' if version is None else version}"
            )
        if self.gain is not None and champion is not None:
            found += self._behind(value, champion.get(self.metric), self.gain)
        return found

    def _suspicious(self, value: float, limit: float, version: int | None) -> bool:
        reached = value >= limit if self.greater_is_better else value <= limit
        # True would be the number 1, which is a version.
        seen = not isinstance(self.acknowledged, bool) and self.acknowledged == version
        return reached and (version is None or not seen)

    def _behind(self, value: float, reigning: float | None, gain: float) -> list[str]:
        if reigning is None or not math.isfinite(reigning):
            return [f"{self.metric} of the champion is {'missing' if reigning is None else reigning}"]
        better = value - reigning if self.greater_is_better else reigning - value
        if better >= gain:
            return []
        both = f"{self.metric} is {value:.6g} and the champion's {reigning:.6g}"
        return [f"{both}: better by {better:.6g}, not by {gain:g}"]


def _require_number(demand: object, *, where: str) -> None:
    if demand is None or (isinstance(demand, Real) and not isinstance(demand, bool) and math.isfinite(demand)):
        return
    hint = "Write a finite number; to open a gate on purpose, one that every model reaches, such as -1000"
    raise InvalidInput(f"{demand!r} is nothing that a number could be held against", where=where, hint=hint)


def gate_failures(
    gates: Sequence[Gate],
    challenger: Mapping[str, float],
    champion: Mapping[str, float] | None,
    version: int | None = None,
) -> tuple[str, ...]:
    """Return why a challenger does not pass, over all gates.

    Args:
        gates: One or more.
        challenger: Its metrics.
        champion: Those of the model to replace, None where there is none.
        version: Number of the challenger, which an acknowledgement must name.

    Raises:
        InvalidInput: There are no gates, so that everything would pass.
    """
    if not gates:
        raise InvalidInput("There are no gates, so any model would pass", where="gates", hint="Give one or more")
    return tuple(failure for gate in gates for failure in gate.failures(challenger, champion, version))
