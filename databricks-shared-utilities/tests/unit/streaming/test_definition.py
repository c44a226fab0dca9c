"""The definition of a streaming pipeline checks itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from little_tills import TILLS, store_minutes

from databricks_utils.cli import Project, command_line
from databricks_utils.errors import InputProblems, InvalidInput
from databricks_utils.streaming import EventAlerts, StreamBronze, StreamGold, StreamPipeline, StreamSilver, Watermark


def test_tables_come_after_what_they_read() -> None:
    order = TILLS.tables

    assert all(order.index(source) < order.index(table) for source, table in TILLS.edges)
    assert TILLS.node("gold.paid_sales").inputs == ("silver.sales", "silver.payments")


def test_a_table_that_nobody_defines_is_named() -> None:
    with pytest.raises(InputProblems, match=r"reads bronze\.clicks") as raised:
        StreamPipeline("tills", StreamSilver("clicks", reads="bronze.clicks"))

    assert "StreamPipeline('tills')" in str(raised.value)


@pytest.mark.parametrize("delay", ["10", "ten minutes", "0 minutes", "10 minutes ago"])
def test_a_delay_that_is_none_is_refused(delay: str) -> None:
    with pytest.raises(InvalidInput, match="is not a delay"):
        Watermark("event_time", delay)


def test_windows_are_computed_from_silver_tables_only() -> None:
    bronze, windows = StreamBronze("sales", topic="s"), StreamGold("m", reads="bronze.sales", transform=store_minutes)

    with pytest.raises(InvalidInput, match=r"bronze\.sales is not a silver table"):
        StreamPipeline("tills", bronze, windows).silver("bronze.sales")


def test_alerts_about_events_have_names_of_their_own_and_read_silver() -> None:
    alerts = EventAlerts("large", reads="silver.sales", transform=store_minutes)

    with pytest.raises(InvalidInput, match="Two alerts about events are called 'large'"):
        StreamPipeline("tills", *TILLS.nodes, event_alerts=[alerts, alerts])
    with pytest.raises(InvalidInput, match=r"bronze\.sales is not a silver table"):
        StreamPipeline("tills", *TILLS.nodes, event_alerts=[replace(alerts, reads="bronze.sales")])


def test_only_a_pipeline_that_tells_of_events_has_the_command_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    alerts = EventAlerts("large", reads="silver.sales", transform=store_minutes)
    telling = StreamPipeline("tills", *TILLS.nodes, event_alerts=[alerts])

    helps = []
    for pipeline in (TILLS, telling):
        command_line(Project(pipeline=pipeline, command="tills", package_folder=Path(__file__).parent), ["--help"])
        helps.append(capsys.readouterr().out)

    assert ["alert " in text for text in helps] == [False, True]
