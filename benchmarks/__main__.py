"""`python -m benchmarks [EXPERIMENT …]`: run the experiments and write their tables into docs/benchmarks.md."""

from __future__ import annotations

import argparse
import sys

from benchmarks.experiments import Bench, full, growth, increment, layers, session, suite, warm
from benchmarks.models import as_of, drift, feast, features, serving
from benchmarks.page import write_table
from benchmarks.streams import stream_alerts, stream_rates, stream_steady

EXPERIMENTS = {
    "full": full,
    "layers": layers,
    "increment": increment,
    "growth": growth,
    "session": session,
    "warm": warm,
    "suite": suite,
    "stream_rates": stream_rates,
    "stream_steady": stream_steady,
    "stream_alerts": stream_alerts,
    "features": features,
    "as_of": as_of,
    "drift": drift,
    "serving": serving,
    "feast": feast,
}


def main() -> int:
    """Run what is asked for; everything by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("experiments", nargs="*", choices=[*EXPERIMENTS, []], help="default: all")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--lines", type=int, default=1_000_000, help="basket lines of the comparison")
    options = parser.parse_args()
    bench = Bench(options.repeats, options.lines)
    for name in options.experiments or EXPERIMENTS:
        write_table(name, EXPERIMENTS[name](bench))
    return 0


if __name__ == "__main__":
    sys.exit(main())
