"""The join as of a moment and look-ups of one entity by Feast, and the same look-ups by the library.

Feast brings some forty packages, so it is in no list of requirements: `uv run --with` installs it for one process.
Its local stores are used, without a server: dask joins, SQLite answers.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.as_of_join import VALUES
from benchmarks.serve import percentiles

#: Households in the online store, and features of each.
ENTITIES, WIDTH = 2_000, 100
NAMES = [f"value_{number}d" for number in range(1, WIDTH + 1)]
LOOK_UPS = 2_000
NAME = "gold.values"


def join(folder: Path, output: Path) -> None:
    """Give labels.parquet the newest values of rows.parquet, as `as_of_join` has them."""
    import pandas as pd

    store = _store(folder, VALUES, folder / "rows.parquet", "available_at")
    labels = pd.read_parquet(folder / "labels.parquet")
    asked = labels.rename(columns={"customer": "household_id", "at": "event_timestamp"})
    found = store.get_historical_features(entity_df=asked, features=[f"values:{name}" for name in VALUES]).to_df()
    found.rename(columns={"household_id": "customer", "event_timestamp": "at"}).to_parquet(output)


def look_ups(folder: Path) -> dict[str, float]:
    """Return how long Feast takes to give the features of one household, in milliseconds."""
    store = _store(folder, NAMES, folder / "newest.parquet", "available_at")
    store.write_to_online_store("values", _newest(folder))
    asked = [f"values:{name}" for name in NAMES]

    def look_up(household: int) -> object:
        return store.get_online_features(features=asked, entity_rows=[{"household_id": household}]).to_dict()

    return _timed(look_up)


def look_ups_of_library(folder: Path) -> dict[str, float]:
    """Return how long the library takes for the same."""
    from databricks_utils.contracts import Column, Contract
    from databricks_utils.features import Events, Feature, FeatureRegistry, FeatureTable, OnlineStore, publish
    from databricks_utils.session import LocalSpark, create_session

    types = {"household_id": "BIGINT", "at": "TIMESTAMP", "amount": "DECIMAL(10,2)"}
    columns = tuple(Column(name, data_type, description=name) for name, data_type in types.items())
    source = Contract(
        layer="silver",
        table="sales",
        version="1.0.0",
        status="active",
        description="Sales.",
        owner="bench",
        columns=columns,
    )
    feature = Feature("value", "sum", of="amount", windows=tuple(range(1, WIDTH + 1)), description="Money.")
    table = FeatureTable(
        NAME,
        source=Events("silver.sales", timestamp="at"),
        entity=("household_id",),
        features=(feature,),
        description="Values.",
        owner="bench",
    )
    registry, path = FeatureRegistry([table], {"silver.sales": source}), folder / "ours.db"
    spark = create_session(LocalSpark(), "look-ups", folder / "warehouse")
    publish(path, registry, NAME, spark.createDataFrame(_newest(folder)))
    spark.stop()
    with OnlineStore(path, registry) as store:
        return _timed(lambda household: store.look_up(NAME, (household,)))


def _timed(look_up: Callable[[int], object]) -> dict[str, float]:
    return percentiles(look_up, list(range(ENTITIES)), LOOK_UPS)


def _newest(folder: Path) -> Any:
    """Return one row for each household, and leave it as a file, which Feast wants as a source."""
    import numpy as np
    import pandas as pd

    values = np.random.default_rng(1).integers(0, 100_000, (ENTITIES, WIDTH)) / 100
    rows = pd.DataFrame(values, columns=NAMES)
    rows.insert(0, "household_id", np.arange(ENTITIES))
    rows["available_at"] = pd.Timestamp.now(tz="UTC").floor("D")
    rows.to_parquet(folder / "newest.parquet")
    return rows


def _store(folder: Path, names: list[str], file: Path, timestamp: str) -> Any:
    """Return a store of Feast that knows a file's values."""
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.types import Float64

    if not file.exists():
        _newest(folder)
    configuration = RepoConfig(
        project="bench",
        provider="local",
        registry=str(folder / f"{file.stem}-registry.db"),
        offline_store={"type": "dask"},
        online_store={"type": "sqlite", "path": str(folder / f"{file.stem}-online.db")},
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=configuration)
    household = Entity(name="household", join_keys=["household_id"], value_type=ValueType.INT64)
    view = FeatureView(
        name="values",
        entities=[household],
        ttl=timedelta(0),
        schema=[Field(name=name, dtype=Float64) for name in names],
        source=FileSource(path=str(file), timestamp_field=timestamp),
    )
    store.apply([household, view])
    return store


def main() -> None:
    """Do one thing once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", choices=("join", "look-ups", "look-ups-of-library"))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True, help="rows of a join, or times as JSON")
    options = parser.parse_args()
    started = time.perf_counter()
    if options.work == "join":
        join(options.folder, options.output)
        print(json.dumps({"seconds": time.perf_counter() - started}))
    else:
        found = look_ups(options.folder) if options.work == "look-ups" else look_ups_of_library(options.folder)
        options.output.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
