"""Minutes that stand out against the recent past of their store."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

#: Deviations below these are taken as these: a store that sells one basket a minute must not alarm with three.
LEAST_SPREAD = {"rate": 2.0, "amount": 50.0}
MEASURES = {"rate": "sales", "amount": "amount"}


def unusual_minutes(
    changed: DataFrame, minutes: DataFrame, *, baseline_minutes: int, least_minutes: int, alert_score: float
) -> DataFrame:
    """Compare the rate and the amount of changed minutes with the rolling baseline of their store.

    The baseline is mean and standard deviation over the minutes before; a store without sales in a minute has no row
    for it, which is read as no sale. A store nobody knows yet has a baseline of nothing.

    Args:
        changed: Rows of gold.agg_store_minutes that are new or have changed: store_id INT, minute_start TIMESTAMP,
            sales BIGINT, amount DECIMAL(18,2).
        minutes: gold.agg_store_minutes.
        baseline_minutes: Length of the baseline.
        least_minutes: Minutes with sales that the baseline must have, of any store.
        alert_score: Standard deviations above the mean from which a minute is reported.

    Returns:
        alert_id STRING, store_id INT, minute_start TIMESTAMP, kind STRING (`rate` or `amount`), observed, expected and
        score DOUBLE; at most one row for each store, minute and kind.
    """
    past = minutes.select(
        F.col("store_id").alias("past_store"), F.col("minute_start").alias("past_minute"), "sales", "amount"
    )
    before = (
        "past_minute < minute_start AND "
        f"past_minute >= minute_start - make_interval(0, 0, 0, 0, 0, {int(baseline_minutes)}, 0)"
    )
    present = {"rate_now": F.col("sales"), "amount_now": F.col("amount")}
    now = changed.select("store_id", "minute_start", *[column.alias(name) for name, column in present.items()])
    own = F.col("past_store") == F.col("store_id")
    sums = [F.countDistinct("past_minute").alias("known")]
    for kind, column in MEASURES.items():
        value = F.when(own, F.col(column).cast("double"))
        sums += [
            F.coalesce(F.sum(value), F.lit(0.0)).alias(f"{kind}_sum"),
            F.coalesce(F.sum(value * value), F.lit(0.0)).alias(f"{kind}_squares"),
        ]
    compared = now.join(past, F.expr(before)).groupBy("store_id", "minute_start", "rate_now", "amount_now").agg(*sums)
    scored = [_scored(compared.where(f"known >= {int(least_minutes)}"), kind) for kind in MEASURES]
    found = scored[0].unionByName(scored[1]).where(F.col("score") >= float(alert_score))
    name = F.concat_ws("|", "store_id", F.date_format("minute_start", "yyyy-MM-dd'T'HH:mm"), "kind")
    return found.withColumn("alert_id", name)


def _scored(compared: DataFrame, kind: str) -> DataFrame:
    mean = F.col(f"{kind}_sum") / F.col("known")
    variance = F.greatest(F.col(f"{kind}_squares") / F.col("known") - mean * mean, F.lit(0.0))
    spread = F.greatest(F.sqrt(variance), F.lit(LEAST_SPREAD[kind]))
    observed = F.col(f"{kind}_now").cast("double")
    return compared.select(
        "store_id",
        "minute_start",
        F.lit(kind).alias("kind"),
        observed.alias("observed"),
        F.round(mean, 2).alias("expected"),
        F.round((observed - mean) / spread, 2).alias("score"),
    )
