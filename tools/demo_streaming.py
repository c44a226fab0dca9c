"""Bake the streaming template and run it for a minute on a real broker: events, rates, lag, alerts, and the proof.

No Docker and no account: the broker is one Java process on the loopback interface, which ends with the demo.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from databricks_utils.testing import KafkaBroker
from demo import ROOT, StepFailed, bake, environment_of_projects, install, run, say

TEMPLATE = ROOT / "cookiecutter-streaming-pipeline"
TARGET = ROOT / "build" / "demo-streaming"
COMMAND = "point-of-sale-streams"  # the slug that the template's defaults give
TOPICS = ("pos.sales", "pos.payments", "pos.clicks", "pos.alerts")
#: A past for the alerts to compare with, and when one store begins to sell far more.
HISTORY_SECONDS, ANOMALY_AFTER_SECONDS = 240, 20
#: The streams start a little later than the events and go on a little longer.
LONGER_SECONDS = 15


def settings(broker: KafkaBroker) -> list[str]:
    """Return the options that let the project read from the broker, all streams side by side."""
    values = {
        "streaming.source": "kafka",
        "streaming.broker.bootstrap_servers": broker.bootstrap_servers,
        "streaming.trigger": "processing_time",
        "streaming.interval_seconds": "2",
        "streaming.max_events_per_batch": "50000",
        "streaming.alerts.topic": "pos.alerts",
        "spark.short_runs": "false",
        "spark.memory": "3g",
    }
    return [text for key, value in values.items() for text in ("--set", f"{key}={value}")]


def produced(project: Path, options: Sequence[str], rate: int, seconds: int) -> subprocess.Popen[str]:
    """Start the producer beside the streams; it sends a past first, then what happens now."""
    words = ["--rate", str(rate), "--seconds", str(seconds), "--history", str(HISTORY_SECONDS)]
    words += ["--anomaly-after", str(ANOMALY_AFTER_SECONDS), "--late", "0.001"]
    command = ["uv", "run", COMMAND, "produce", *words, *options]
    return subprocess.Popen(command, cwd=project, env=environment_of_projects(), text=True, stdout=subprocess.PIPE)


def demonstrate(rate: int, seconds: int) -> None:
    """Go through the steps a user would type.

    Raises:
        StepFailed: A step ended with an error, or an event is lost or doubled.
    """
    say(f"A new project from the template's defaults, in {TARGET.relative_to(ROOT)}/")
    project = bake(TEMPLATE, TARGET)
    install(project)
    say("A Kafka broker on the loopback interface")
    with KafkaBroker(TARGET / "broker") as broker:
        for topic in TOPICS:
            broker.create_topic(topic)
        print(f"{broker.bootstrap_servers}, topics {', '.join(TOPICS)}", flush=True)
        options = settings(broker)
        say(f"uv run {COMMAND} produce --rate {rate} --history {HISTORY_SECONDS}     (beside the streams, {seconds} s)")
        producer = produced(project, options, rate, seconds)
        try:
            say(f"uv run {COMMAND} run --for-seconds {seconds + LONGER_SECONDS}     (bronze, silver, gold, alerts)")
            streams = ["uv", "run", COMMAND, "run", "--for-seconds", str(seconds + LONGER_SECONDS), "--show", "3"]
            run([*streams, *options], project)
            said, _ = producer.communicate()
        finally:
            producer.kill()
        if producer.returncode:
            raise StepFailed(
                producer.args if isinstance(producer.args, list) else [str(producer.args)], producer.returncode
            )
        print(f"produced: {said.strip()}", flush=True)
        say(f"uv run {COMMAND} run     (what arrived after the last look)")
        run(["uv", "run", COMMAND, "run", *options, "--set", "streaming.trigger=available_now"], project)
        say(f"uv run {COMMAND} verify     (the broker against bronze, bronze against silver)")
        run(["uv", "run", COMMAND, "verify", *options], project)
    reports = sorted((project / ".lakehouse" / "reports").glob("*.html"))
    print(f"\nThe report: {reports[0].relative_to(ROOT)}", flush=True)


def main() -> int:
    """Run the demo; return the exit code of the first step that fails."""
    parser = argparse.ArgumentParser(description="Bake the streaming template and run it on a real broker.")
    parser.add_argument("--rate", type=int, default=500, help="events a second (default: 500)")
    parser.add_argument("--seconds", type=int, default=60, help="how long events happen (default: 60)")
    arguments = parser.parse_args()
    shutil.rmtree(TARGET, ignore_errors=True)
    try:
        demonstrate(arguments.rate, arguments.seconds)
    except StepFailed as failure:
        print(f"The demo stopped: {failure}", file=sys.stderr)
        return failure.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
