"""Gates say in words why a model does not pass."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest

from databricks_utils.errors import InvalidInput
from databricks_utils.models import Gate, gate_failures


@pytest.mark.parametrize(
    ("gate", "challenger", "champion", "failures"),
    [
        (Gate("auc", at_least=0.7), {"auc": 0.7}, None, []),
        (Gate("auc", at_least=0.7), {"auc": 0.69}, None, ["auc is 0.69, at least 0.7 is needed"]),
        (Gate("error", at_most=0.2), {"error": 0.2}, None, []),
        (Gate("error", at_most=0.2), {"error": 0.21}, None, ["error is 0.21, at most 0.2 is allowed"]),
        (Gate("auc", gain=0.01), {"auc": 0.5}, None, []),
        (Gate("auc", gain=0.125), {"auc": 0.625}, {"auc": 0.5}, []),
        (
            Gate("auc", gain=0.25),
            {"auc": 0.625},
            {"auc": 0.5},
            ["auc is 0.625 and the champion's 0.5: better by 0.125, not by 0.25"],
        ),
        (Gate("auc", gain=-0.25), {"auc": 0.5}, {"auc": 0.75}, []),
        (Gate("error", gain=0.25, greater_is_better=False), {"error": 0.25}, {"error": 0.5}, []),
        (
            Gate("error", gain=0.0, greater_is_better=False),
            {"error": 0.75},
            {"error": 0.5},
            ["error is 0.75 and the champion's 0.5: better by -0.25, not by 0"],
        ),
        (Gate("skill", above=0.0), {"skill": 0.01}, None, []),
        (Gate("skill", above=0.0), {"skill": 0.0}, None, ["skill is 0, more than 0 is needed"]),
        (Gate("auc", too_good=0.95), {"auc": 0.94}, None, []),
        (Gate("error", too_good=0.05, greater_is_better=False), {"error": 0.06}, None, []),
        (Gate("auc", at_least=0.0), {}, None, ["auc of the challenger is missing"]),
        (Gate("auc", at_least=0.0), {"auc": math.nan}, None, ["auc of the challenger is nan"]),
        (Gate("auc", gain=0.0), {"auc": 0.5}, {}, ["auc of the champion is missing"]),
        (Gate("auc", gain=0.0), {"auc": 0.5}, {"auc": math.inf}, ["auc of the champion is inf"]),
    ],
)
def test_a_gate_lets_pass_what_meets_it_and_says_why_not(
    gate: Gate, challenger: Mapping[str, float], champion: Mapping[str, float] | None, failures: list[str]
) -> None:
    assert gate.failures(challenger, champion) == failures


def test_the_failures_of_all_gates_are_reported_together() -> None:
    gates = [Gate("auc", at_least=0.7), Gate("error", at_most=0.1)]

    assert len(gate_failures(gates, {"auc": 0.5, "error": 0.5}, None)) == 2


def test_no_gates_and_gates_that_demand_nothing_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"(?s)lets everything pass.*gate auc.*at_least"):
        Gate("auc")
    with pytest.raises(InvalidInput, match="any model would pass"):
        gate_failures([], {"auc": 1.0}, None)


@pytest.mark.parametrize("demand", ["at_least", "at_most", "gain", "above", "too_good"])
@pytest.mark.parametrize("limit", [math.nan, math.inf, -math.inf, "0.8", True], ids=repr)
def test_a_demand_that_no_number_can_miss_is_refused(demand: str, limit: object) -> None:
    """No value is less than NaN, and none is below minus infinity: such a gate would be open for good."""
    with pytest.raises(InvalidInput, match=f"gate auc, {demand}"):
        Gate("auc", **{demand: limit})  # type: ignore[arg-type]


def test_an_acknowledgement_is_the_number_of_a_version_and_no_yes() -> None:
    gate = Gate("auc", too_good=0.95, acknowledged=True)

    assert len(gate_failures([gate], {"auc": 0.99}, None, 1)) == 1


@pytest.mark.parametrize(
    ("gate", "value"),
    [
        (Gate("auc", too_good=0.95, acknowledged=3, acknowledge_in="parameters.seen"), 0.95),
        (
            Gate("error", too_good=0.05, greater_is_better=False, acknowledged=3, acknowledge_in="parameters.seen"),
            0.05,
        ),
    ],
    ids=["great", "small"],
)
def test_what_is_too_good_waits_for_a_look_at_this_very_version(gate: Gate, value: float) -> None:
    """An acknowledgement without a number would let the next leak through as well."""
    failures = {number: gate_failures([gate], {gate.metric: value}, None, number) for number in (2, 3, None)}

    assert failures[3] == ()
    assert "does a feature know the future?" in failures[2][0]
    assert failures[2][0].endswith("parameters.seen: 2")
    assert len(failures[None]) == 1
