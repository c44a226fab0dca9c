# Databricks notebook source
# MAGIC %md
# MAGIC # 3. Skew and memory, seen in plans
# MAGIC
# MAGIC One product sells more than a thousand others together. A shuffle by product then gives one task most of
# MAGIC the rows, and everybody waits for it. This notebook makes such data, shows the skew, and three ways out.

# COMMAND ----------

from pyspark.sql import functions as F

from {{ cookiecutter.package_name }}.__main__ import PROJECT

spark = PROJECT.open().lakehouse().spark

# COMMAND ----------

# MAGIC %md
# MAGIC ## The skew
# MAGIC
# MAGIC Four rows of five carry the key 1.

# COMMAND ----------

lines = spark.range(200_000).select(
    F.when(F.col("id") % 5 < 4, F.lit(1)).otherwise(F.col("id") % 1000).alias("product_id"),
    (F.col("id") % 7).alias("quantity"),
)
products = spark.range(1000).select(F.col("id").alias("product_id"), F.lit("a name").alias("name"))
shares = lines.groupBy("product_id").count().orderBy(F.desc("count"))
shares.show(3)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Way out 1: broadcast the small side
# MAGIC
# MAGIC No shuffle, no skew. `BroadcastHashJoin` in the plan instead of `SortMergeJoin`. Spark does it by itself
# MAGIC below `spark.sql.autoBroadcastJoinThreshold` (10 MB); say it with `broadcast` when you know better.

# COMMAND ----------

broadcasted = lines.join(F.broadcast(products), "product_id")
broadcasted.explain()

# COMMAND ----------

# MAGIC %md
# MAGIC ## Way out 2: let adaptive execution split the large partition
# MAGIC
# MAGIC With a sort-merge join Spark looks at the real partition sizes after the shuffle. A partition both five
# MAGIC times the median and above `skewedPartitionThresholdInBytes` is read by several tasks. The plan says
# MAGIC `isFinalPlan=false` until it has run. The thresholds below are tiny because the data is.

# COMMAND ----------

adaptive_before = spark.conf.get("spark.sql.adaptive.enabled")  # off in short local sessions
spark.conf.set("spark.sql.adaptive.enabled", "true")
spark.conf.set("spark.sql.autoBroadcastJoinThreshold", "-1")
spark.conf.set("spark.sql.adaptive.skewJoin.skewedPartitionThresholdInBytes", "64KB")
merged = lines.join(products.hint("merge"), "product_id")
merged.explain()
print("rows:", merged.count())

# COMMAND ----------

# MAGIC %md
# MAGIC ## Way out 3: salting
# MAGIC
# MAGIC For aggregations adaptive execution does not help. Add a second key with a few values, aggregate by both,
# MAGIC then once more without it: the plan has two exchanges, and no task has more than an eighth of the large
# MAGIC key. (For sums Spark already aggregates before the shuffle; salting pays where it cannot, as with
# MAGIC `collect_list` or exact medians.)

# COMMAND ----------

SALTS = 8
salted = (
    lines.withColumn("salt", F.pmod(F.xxhash64("quantity", F.monotonically_increasing_id()), F.lit(SALTS)))
    .groupBy("product_id", "salt")
    .agg(F.sum("quantity").alias("quantity"))
    .groupBy("product_id")
    .agg(F.sum("quantity").alias("quantity"))
)
salted.explain()
plain = lines.groupBy("product_id").agg(F.sum("quantity").alias("quantity"))
assert salted.exceptAll(plain).isEmpty()

# COMMAND ----------

# MAGIC %md
# MAGIC ## Memory
# MAGIC
# MAGIC What a task holds is its partition. More partitions, less memory for each: `spark.sql.shuffle.partitions`
# MAGIC for shuffles, `spark.sql.files.maxPartitionBytes` for reading. Select early: the plan's `ReadSchema`
# MAGIC shows what is really read. Cache only what is used twice, and unpersist it; the plan then shows
# MAGIC `InMemoryTableScan`.

# COMMAND ----------

partitions_before = spark.conf.get("spark.sql.shuffle.partitions")
spark.conf.set("spark.sql.shuffle.partitions", "8")
totals = lines.groupBy("product_id").agg(F.sum("quantity").alias("quantity"))
totals.explain("formatted")

spark.conf.set("spark.sql.shuffle.partitions", partitions_before)
spark.conf.set("spark.sql.adaptive.enabled", adaptive_before)
spark.conf.unset("spark.sql.autoBroadcastJoinThreshold")
spark.conf.unset("spark.sql.adaptive.skewJoin.skewedPartitionThresholdInBytes")
