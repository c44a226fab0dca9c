"""A model's page says what the registry knows of it."""

from __future__ import annotations

from typing import Any

from databricks_utils.models import ModelVersion, model_card

PROMOTED = {
    "approved_by": "Ann",
    "approved_at": "2024-03-01T08:00:00+00:00",
    "replaced_version": "2",
    "evaluation": '{"challenger": {"auc": 0.8}, "champion": {"auc": 0.7}}',
}
BACK = {"rolled_back_by": "Bob", "rolled_back_at": "2024-03-02T08:00:00+00:00", "rolled_back_because": "complaints"}


def card(tags: dict[str, str], **given: Any) -> str:
    model = ModelVersion("main.gold.churn", 3, "r1", "file:///m", {"error": 0.25, "auc": 0.8}, tags)
    return model_card(model, purpose="Who will leave.", owner="shop", **given)


def test_the_page_compares_with_the_model_before_and_names_who_approved() -> None:
    page = card({**PROMOTED, **BACK}, features=["spend_7d"], limits=["New customers."])

    assert page.startswith("# main.gold.churn, version 3\n\nWho will leave.\n\nowner shop · run `r1` · load `models:/")
    assert "| auc | 0.8 | 0.7 |\n| error | 0.25 |  |\n" in page
    assert "## What it reads\n\n- `spend_7d`\n" in page
    assert "## Known limits\n\n- New customers.\n" in page
    assert "- promoted 2024-03-01T08:00:00+00:00 by Ann, in place of version 2\n" in page
    assert "- taken back 2024-03-02T08:00:00+00:00 by Bob: complaints\n" in page


def test_a_challenger_was_never_promoted_and_empty_sections_are_left_out() -> None:
    page = card({})

    assert "- never promoted\n" in page
    assert "What it reads" not in page


def test_what_counts_most_comes_first_and_the_tail_is_left_out() -> None:
    importance = {f"f{number}": float(number) for number in range(20)}

    page = card({}, importance=importance, unit="log odds")

    assert "## What counts most\n\n| feature | mean contribution (log odds) |\n|---|---|\n| `f19` | 19 |\n" in page
    assert "`f5`" in page
    assert "`f4`" not in page
