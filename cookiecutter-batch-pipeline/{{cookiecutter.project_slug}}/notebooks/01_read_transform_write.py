# Databricks notebook source
# MAGIC %md
# MAGIC # 1. Read, transform, write
# MAGIC
# MAGIC Run the cells from top to bottom, on a laptop or in a workspace. You will read the landed files, apply
# MAGIC the same function that the pipeline applies, look at the plan Spark makes, and write the result as
# MAGIC Parquet and as Delta.
# MAGIC
# MAGIC On a laptop `spark` is started by the next cell; in a workspace it joins the notebook's own session.

# COMMAND ----------

from {{ cookiecutter.package_name }}.__main__ import PROJECT

lakehouse = PROJECT.open().lakehouse()
spark = lakehouse.spark
landing = lakehouse.configuration.storage.landing
spark.sql("CREATE SCHEMA IF NOT EXISTS playground")
print("Spark", spark.version, "reading", landing)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Read
# MAGIC
# MAGIC The schema is written down instead of inferred: inferring reads the files twice, and a column of digits
# MAGIC that once holds a letter would change its type.

# COMMAND ----------

schema = """
    household_id BIGINT, store_id BIGINT, basket_id BIGINT, product_id BIGINT, quantity INT,
    sales_value DECIMAL(10,2), retail_disc DECIMAL(10,2), coupon_disc DECIMAL(10,2),
    coupon_match_disc DECIMAL(10,2), week INT, transaction_timestamp TIMESTAMP
"""
received = spark.read.schema(schema).option("header", "true").csv(f"{landing}/transactions/*.csv")
products = spark.read.json(f"{landing}/products/*.jsonl")
received.show(5, truncate=False)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Transform
# MAGIC
# MAGIC A transformation is a plain function from DataFrames to a DataFrame. It needs no pipeline around it, so
# MAGIC you can try it here, and the unit tests can try it with three rows.

# COMMAND ----------

from {{ cookiecutter.package_name }}.transformations.silver.products import clean_products
from {{ cookiecutter.package_name }}.transformations.silver.transactions import clean_transactions

renamed = received.withColumnsRenamed(
    {
        "retail_disc": "retail_discount",
        "coupon_disc": "coupon_discount",
        "coupon_match_disc": "coupon_match_discount",
        "week": "week_number",
    }
)
time_zone = str(lakehouse.configuration.parameter("business_time_zone"))
sales = clean_transactions(renamed, clean_products(products), business_time_zone=time_zone)
sales.select("transaction_date", "department", "quantity", "gross_amount", "net_amount").show(5)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Read the plan
# MAGIC
# MAGIC Read a plan from the bottom: `FileScan` lists the columns really read; `BroadcastExchange` means the
# MAGIC small side of the join is sent to every task, so the large side does not move; an `Exchange
# MAGIC hashpartitioning` is a shuffle, the costly kind of step; `AdaptiveSparkPlan` says that Spark may still
# MAGIC change its mind when it sees real sizes.

# COMMAND ----------

by_department = sales.groupBy("department").sum("net_amount")
by_department.explain("formatted")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Write Parquet and Delta
# MAGIC
# MAGIC Parquet is files; Delta is the same files and a log that says which of them are the table. The log gives
# MAGIC transactions, history and safe concurrent writers. The second write registers the table in the metastore.

# COMMAND ----------

parquet_folder = f"{lakehouse.configuration.storage.reports}/playground/sales_parquet"
sales.write.mode("overwrite").partitionBy("transaction_date").parquet(parquet_folder)
sales.drop("week_number").write.format("delta").mode("overwrite").saveAsTable("playground.sales")

rows_as_parquet = spark.read.parquet(parquet_folder).count()
rows_as_delta = spark.table("playground.sales").count()
assert rows_as_parquet == rows_as_delta
print(rows_as_delta, "rows, the same in both")

# COMMAND ----------

# MAGIC %sql
# MAGIC SELECT department, sum(net_amount) AS net_amount
# MAGIC FROM playground.sales
# MAGIC GROUP BY department
# MAGIC ORDER BY net_amount DESC
# MAGIC LIMIT 5

# COMMAND ----------

# MAGIC %md
# MAGIC Next: `02_delta_tables.sql` changes such a table, travels back in time, and keeps it healthy.
