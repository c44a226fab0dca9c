"""The competitor most teams start from: Spark with its default settings, a guessed schema, a count after every step.

It follows what tutorials show: `inferSchema`, one `count()` for each rule and each table, whole tables overwritten,
`dropDuplicates`. It keeps no history of runs, no quarantine reasons, and no increments.
"""

from __future__ import annotations

import argparse
import time
from functools import reduce
from pathlib import Path

from databricks_utils.session.installation import installed_spark
from databricks_utils.session.jars import resolve_jars
from delta import configure_spark_with_delta_pip
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

TIME_ZONE = "America/New_York"
RENAMED = {"retail_disc": "retail_discount", "coupon_disc": "coupon_discount", "week": "week_number"}
DESCRIPTIONS = {
    "age": "age_band",
    "income": "income_band",
    "home_ownership": "home_ownership",
    "marital_status": "marital_status",
    "household_size": "household_size",
    "household_comp": "household_composition",
    "kids_count": "kids_count",
}
RULES = {
    "quantity": "quantity IS NOT NULL AND quantity >= 0",
    "sales_value": "sales_value IS NOT NULL AND sales_value >= 0",
    "retail_discount": "retail_discount IS NOT NULL AND retail_discount >= 0",
    "coupon_discount": "coupon_discount IS NOT NULL AND coupon_discount >= 0",
    "coupon_match_discount": "coupon_match_discount IS NOT NULL AND coupon_match_discount >= 0",
    "week_number": "week_number IS NULL OR week_number BETWEEN 1 AND 53",
    "timestamp": "year(transaction_timestamp) BETWEEN 2000 AND 2099",
    "basket_id": "basket_id IS NOT NULL",
    "product_id": "product_id IS NOT NULL",
    "household_id": "household_id IS NOT NULL",
    "store_id": "store_id IS NOT NULL",
}


def session(warehouse: Path, memory: str) -> SparkSession:
    """Start Spark as Delta's own helper does, with the defaults of both.

    The jars come from the cache, so that no download is measured; the heap is that of the other Spark competitor.
    """
    builder = (
        SparkSession.builder.appName("usual-way")
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .config("spark.sql.warehouse.dir", str(warehouse))
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.driver.memory", memory)
        .config("spark.driver.extraClassPath", ":".join(map(str, resolve_jars(spark=installed_spark()))))
    )
    with_packages = configure_spark_with_delta_pip(builder)
    with_packages.config("spark.jars.packages", "")
    return with_packages.getOrCreate()


class UsualWay:
    """The pipeline, table by table."""

    def __init__(self, spark: SparkSession, landing: Path) -> None:
        self.spark, self.landing = spark, landing

    def run(self) -> dict[str, float]:
        """Compute every layer; return the seconds of each."""
        seconds = {}
        for layer in (self.bronze, self.silver, self.gold):
            self.spark.sql(f"CREATE SCHEMA IF NOT EXISTS {layer.__name__}")
            started = time.perf_counter()
            layer()
            seconds[layer.__name__] = round(time.perf_counter() - started, 2)
        return seconds

    def bronze(self) -> None:
        """Read the files with a guessed schema."""
        for name in ("transactions", "households", "campaigns"):
            files = self.spark.read.option("header", True).option("inferSchema", True).csv(f"{self.landing}/{name}")
            self._save("bronze", name, files.withColumn("source_file", F.col("_metadata.file_path")))
        self._save("bronze", "products", self.spark.read.json(f"{self.landing}/products"))

    def silver(self) -> None:
        """Clean, check each rule, drop duplicates, enrich."""
        products = self.spark.table("bronze.products")
        for name in ("department", "brand", "product_category", "product_type"):
            products = products.withColumn(name, F.coalesce(F.trim(name), F.lit("UNKNOWN")))
        products = products.withColumn("product_id", F.col("product_id").cast("bigint"))
        products = products.withColumn("manufacturer_id", F.col("manufacturer_id").cast("bigint"))
        self._save("silver", "products", products.dropDuplicates(["product_id"]))
        households = self.spark.table("bronze.households")
        for source, name in DESCRIPTIONS.items():
            text = F.trim(F.col(source).cast("string"))
            households = households.withColumn(name, F.coalesce(text, F.lit("UNKNOWN")))
        households = households.withColumn("snapshot_date", F.col("snapshot_date").cast("date"))
        households = households.withColumn("status", F.lower(F.trim("status")))
        self._save("silver", "households", households.dropDuplicates(["household_id", "snapshot_date"]))
        campaigns = self.spark.table("bronze.campaigns").dropDuplicates(["campaign_id", "household_id"])
        self._save("silver", "campaigns", campaigns)
        self._transactions()

    def _transactions(self) -> None:
        rows = self.spark.table("bronze.transactions").withColumnRenamed("coupon_match_disc", "coupon_match_discount")
        for old, new in RENAMED.items():
            rows = rows.withColumnRenamed(old, new)
        for name in ("sales_value", "retail_discount", "coupon_discount", "coupon_match_discount"):
            rows = rows.withColumn(name, F.col(name).cast("decimal(10,2)"))
        for name in ("basket_id", "product_id", "household_id", "store_id"):
            rows = rows.withColumn(name, F.col(name).cast("bigint"))
        for name, rule in RULES.items():
            print(name, "broken:", rows.where(f"NOT coalesce(({rule}), false)").count())
        valid = reduce(lambda left, right: f"({left}) AND ({right})", RULES.values())
        self._save("silver", "transactions_quarantine", rows.where(f"NOT coalesce(({valid}), false)"))
        good = rows.where(valid).dropDuplicates(["basket_id", "product_id"])
        known = self.spark.table("silver.products").select("product_id", "department", "brand")
        good = good.join(known, "product_id", "left")
        good = good.withColumn("department", F.coalesce("department", F.lit("UNKNOWN")))
        good = good.withColumn("brand", F.coalesce("brand", F.lit("UNKNOWN")))
        local = F.from_utc_timestamp("transaction_timestamp", TIME_ZONE)
        good = good.withColumn("transaction_date", F.to_date(local))
        good = good.withColumn("gross_amount", F.expr("sales_value + retail_discount + coupon_match_discount"))
        good = good.withColumn("net_amount", F.expr("sales_value - coupon_discount"))
        self._save("silver", "transactions", good)

    def gold(self) -> None:
        """Compute dimensions, fact and aggregates."""
        self._save("gold", "dim_household", _household_versions(self.spark.table("silver.households")))
        products = self.spark.table("silver.products")
        members = products.select(
            F.abs(F.xxhash64("product_id")).alias("product_key"),
            *("product_id", "manufacturer_id", "department", "brand", "product_category", "product_type"),
            "package_size",
            F.col("product_type").startswith("GASOLINE").alias("is_fuel"),
        )
        unknown = members.sparkSession.sql(
            "SELECT -1L AS product_key, -1L AS product_id, CAST(NULL AS BIGINT) AS manufacturer_id, 'UNKNOWN' AS "
            "department, 'UNKNOWN' AS brand, 'UNKNOWN' AS product_category, 'UNKNOWN' AS product_type, 'UNKNOWN' AS "
            "package_size, false AS is_fuel"
        )
        self._save("gold", "dim_product", members.unionByName(unknown))
        self._save("gold", "dim_date", _calendar(self.spark.table("silver.transactions")))
        self._save("gold", "fact_sales", self._fact())
        fact, dim_product = self.spark.table("gold.fact_sales"), self.spark.table("gold.dim_product")
        sales = fact.join(dim_product.select("product_key", "department", "is_fuel"), "product_key")
        self._save("gold", "agg_daily_sales", _measured(sales, "sale_date"))
        monthly = sales.withColumn("month_start_date", F.trunc("sale_date", "MONTH"))
        self._save("gold", "agg_monthly_sales", _measured(monthly, "month_start_date"))
        self._save("gold", "business_metrics", _metrics(monthly))

    def _fact(self) -> DataFrame:
        sales = self.spark.table("silver.transactions")
        versions = self.spark.table("gold.dim_household").select(
            F.col("household_id").alias("member"), "household_key", "effective_start_date", "effective_end_date"
        )
        then = F.expr(
            "household_id = member AND transaction_date >= effective_start_date "
            "AND (effective_end_date IS NULL OR transaction_date < effective_end_date)"
        )
        products = self.spark.table("gold.dim_product").select("product_id", "product_key", "is_fuel")
        joined = sales.join(versions, then, "left").join(products, "product_id", "left")
        return joined.select(
            "basket_id",
            "product_id",
            F.date_format("transaction_date", "yyyyMMdd").cast("int").alias("date_key"),
            F.coalesce("product_key", F.lit(-1)).alias("product_key"),
            F.coalesce("household_key", F.lit(-1)).alias("household_key"),
            *("household_id", "store_id", "quantity"),
            F.when(F.coalesce("is_fuel", F.lit(False)), F.lit(0)).otherwise(F.col("quantity")).alias("units"),
            *("sales_value", "retail_discount", "coupon_discount", "coupon_match_discount"),
            *("gross_amount", "net_amount"),
            F.expr("gross_amount - net_amount").alias("discount_amount"),
            "transaction_timestamp",
            F.col("transaction_date").alias("sale_date"),
        )

    def _save(self, layer: str, name: str, rows: DataFrame) -> None:
        rows.write.format("delta").mode("overwrite").option("overwriteSchema", True).saveAsTable(f"{layer}.{name}")
        print(layer, name, self.spark.table(f"{layer}.{name}").count())


def _household_versions(households: DataFrame) -> DataFrame:
    tracked = list(DESCRIPTIONS.values())
    by_time = Window.partitionBy("household_id").orderBy("snapshot_date")
    state = F.when(F.col("status") == "active", F.sha2(F.concat_ws("|", *tracked), 256))
    changes = households.withColumn("state", state).withColumn("before", F.lag("state").over(by_time))
    boundaries = changes.where("NOT (state <=> before)").withColumn("ended", F.lead("snapshot_date").over(by_time))
    members = boundaries.where("state IS NOT NULL").select(
        F.abs(F.xxhash64("household_id", "snapshot_date")).alias("household_key"),
        F.col("household_id").cast("bigint").alias("household_id"),
        *tracked,
        F.col("snapshot_date").alias("effective_start_date"),
        F.col("ended").alias("effective_end_date"),
        F.col("ended").isNull().alias("is_current"),
    )
    texts = ", ".join(f"'UNKNOWN' AS {name}" for name in tracked)
    unknown = households.sparkSession.sql(
        f"SELECT -1L AS household_key, -1L AS household_id, {texts}, DATE'1900-01-01' AS effective_start_date, "
        f"CAST(NULL AS DATE) AS effective_end_date, true AS is_current"
    )
    return members.unionByName(unknown)


def _calendar(transactions: DataFrame) -> DataFrame:
    days = transactions.agg(
        F.trunc(F.min("transaction_date"), "YEAR").alias("first"),
        F.expr("add_months(trunc(max(transaction_date), 'YEAR'), 12) - 1").alias("last"),
    ).select(F.explode(F.sequence("first", "last")).alias("date"))
    date, weekday = F.col("date"), (F.dayofweek("date") + 5) % 7 + 1
    return days.select(
        F.date_format(date, "yyyyMMdd").cast("int").alias("date_key"),
        "date",
        F.year(date).alias("year"),
        F.quarter(date).alias("quarter"),
        F.month(date).alias("month"),
        F.dayofmonth(date).alias("day"),
        weekday.alias("iso_weekday"),
        F.year(F.date_add(F.trunc(date, "WEEK"), 3)).alias("iso_year"),
        F.weekofyear(date).alias("iso_week"),
        (weekday >= 6).alias("is_weekend"),
        F.trunc(date, "MONTH").alias("month_start_date"),
    )


def _measured(sales: DataFrame, period: str) -> DataFrame:
    return sales.groupBy(period, "department").agg(
        F.countDistinct("basket_id").alias("baskets"),
        F.countDistinct("household_id").alias("households"),
        F.count(F.lit(1)).alias("lines"),
        F.sum("units").alias("units"),
        F.sum("gross_amount").alias("gross_amount"),
        F.sum("net_amount").alias("net_amount"),
        F.sum("discount_amount").alias("discount_amount"),
    )


def _metrics(sales: DataFrame) -> DataFrame:
    months = sales.withColumnRenamed("month_start_date", "metric_date")
    first = months.groupBy("household_id").agg(F.min("metric_date").alias("first_month"))
    active = months.select("metric_date", "household_id").distinct().join(first, "household_id")
    activity = active.groupBy("metric_date").agg(
        F.count(F.lit(1)).alias("active_households"),
        F.count(F.when(F.col("first_month") < F.col("metric_date"), 1)).alias("returning_households"),
    )
    totals = months.groupBy("metric_date").agg(
        F.sum("net_amount").alias("revenue"),
        F.countDistinct("basket_id").alias("baskets"),
        F.sum("discount_amount").alias("discount"),
        F.sum("gross_amount").alias("gross"),
        F.sum("units").alias("units"),
        F.countDistinct(F.when(~F.col("is_fuel"), F.col("basket_id"))).alias("unit_baskets"),
    )
    metrics = {
        "revenue": ("revenue", "1", "USD"),
        "baskets": ("baskets", "1", "count"),
        "active_households": ("active_households", "1", "count"),
        "average_basket_value": ("revenue", "baskets", "USD"),
        "discount_rate": ("discount", "gross", "ratio"),
        "units_per_basket": ("units", "unit_baskets", "ratio"),
        "returning_household_rate": ("returning_households", "active_households", "ratio"),
    }
    joined = totals.join(activity, "metric_date")
    parts = [
        joined.selectExpr(
            "metric_date",
            f"'{name}' AS metric_name",
            f"CASE WHEN {bottom} <> 0 THEN CAST(round(CAST({top} AS DECIMAL(28,2)) / CAST({bottom} AS DECIMAL(18,2)), "
            f"4) AS DECIMAL(18,4)) END AS metric_value",
            f"'{unit}' AS unit",
        )
        for name, (top, bottom, unit) in metrics.items()
    ]
    return reduce(DataFrame.unionByName, parts).where("metric_value IS NOT NULL")


def main() -> None:
    """Run once, as a process to be measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--landing", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--memory", default="4g")
    options = parser.parse_args()
    spark = session(options.output / "warehouse", options.memory)
    print(UsualWay(spark, options.landing).run())
    spark.stop()


if __name__ == "__main__":
    main()
