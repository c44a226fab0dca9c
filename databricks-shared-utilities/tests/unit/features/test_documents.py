"""What follows from the definitions: the plan, the page, the table's DDL."""

from __future__ import annotations

from dataclasses import replace

import pytest
from feature_shop import CONTRACTS, HOUSEHOLDS, REGISTRY, SALES

from databricks_utils.features import Feature, FeatureRegistry, feature_page, feature_table_sql, feature_tags_sql
from databricks_utils.features.plan import plan_of


def test_features_of_one_value_share_what_is_kept_of_a_day() -> None:
    features = [
        Feature("spend", "sum", of="amount", windows=(1, 7), description="Money."),
        Feature("mean_line", "mean", of="amount", windows=(7,), description="Money."),
        Feature("dearest", "max", of="amount", windows=(7,), description="Money."),
    ]

    plan = plan_of(replace(HOUSEHOLDS, features=features), SALES)

    (measure,) = plan.measures
    assert measure.parts == ("n", "s", "high")
    assert (plan.windows, plan.longest) == ((1, 7), 7)


def test_a_value_is_counted_in_whole_units() -> None:
    plan = REGISTRY.plan("gold.household_features")

    outputs = {output.column: output for output in plan.outputs}

    assert outputs["spend_7d"].units == 100
    assert outputs["heaviest_3d"].units == 1000
    assert (outputs["spend_7d"].data_type, outputs["items_7d"].data_type) == ("DOUBLE", "BIGINT")


def test_every_column_is_on_the_page_with_its_meaning() -> None:
    page = feature_page(REGISTRY)

    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == list(HOUSEHOLDS.columns)
    assert (
        "| `spend_7d` | DOUBLE (EUR) | sum of `amount` over the last 7 days | 0 | Money spent. | shop | money |" in page
    )
    assert "mean of `quantity` over the last 7 days, NULL counting as 0" in page
    assert "share of the sum of `amount` over the last 7 days where `category` in fruit, bread | NULL |" in page
    assert "entity (household_id, store_id) · from `silver.sales` by `sold_at` · used for 3 days" in page


def test_text_cannot_break_the_pages_table() -> None:
    feature = Feature("lines", "count", description="Lines | baskets\nof a day.")

    page = feature_page(FeatureRegistry([replace(HOUSEHOLDS, features=[feature])], CONTRACTS))

    assert "| Lines \\| baskets of a day. |" in page


def test_the_table_has_a_primary_key_with_its_time_series() -> None:
    statement = feature_table_sql(HOUSEHOLDS, SALES, "`main`.`gold`.`household_features`")

    assert "`household_id` INT NOT NULL COMMENT 'The household_id.'" in statement
    assert (
        "CONSTRAINT `household_features_pk` PRIMARY KEY (`household_id`, `store_id`, `available_at` TIMESERIES)"
        in statement
    )
    assert "`spend_7d` DOUBLE COMMENT 'Money spent. (EUR)'" in statement
    assert "CLUSTER BY (`household_id`, `store_id`, `available_at`)" in statement
    assert "'features.ttl_days' = '3'" in statement


def test_a_catalog_without_constraints_gets_none() -> None:
    assert "CONSTRAINT" not in feature_table_sql(HOUSEHOLDS, SALES, "`gold`.`t`", constraint=False)


@pytest.mark.parametrize("text", ["It's all", "back\\slash"])
def test_text_cannot_break_the_statement(text: str) -> None:
    statement = feature_table_sql(replace(HOUSEHOLDS, description=text), SALES, "`t`")

    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    assert f"COMMENT '{escaped}'" in statement


def test_tags_are_set_on_table_and_columns() -> None:
    statements = feature_tags_sql(HOUSEHOLDS, "`t`")

    assert statements[0] == "ALTER TABLE `t` SET TAGS ('shopping' = '')"
    assert "ALTER TABLE `t` ALTER COLUMN `spend_7d` SET TAGS ('money' = '')" in statements
    assert len(statements) == 4
