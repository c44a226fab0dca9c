-- Databricks notebook source
-- MAGIC %md
-- MAGIC # 2. Delta tables in SQL
-- MAGIC
-- MAGIC Create, read, update, delete; look at the history; go back; keep the table healthy; read its change feed.
-- MAGIC Everything here happens in the schema `playground`.

-- COMMAND ----------

CREATE SCHEMA IF NOT EXISTS playground;
DROP TABLE IF EXISTS playground.stores;

-- COMMAND ----------

-- MAGIC %md
-- MAGIC ## Create
-- MAGIC
-- MAGIC `CLUSTER BY` is liquid clustering: rows with near values share files, and the columns can be changed later without
-- MAGIC rewriting. The change feed must be on before the changes you want to read. A CHECK constraint refuses bad rows.

-- COMMAND ----------

CREATE TABLE playground.stores (
  store_id BIGINT NOT NULL COMMENT 'Number of the store',
  region STRING COMMENT 'Sales region',
  opened_on DATE,
  floor_area INT COMMENT 'Square metres'
)
USING DELTA
CLUSTER BY (region)
COMMENT 'Stores, for trying things out'
TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true', 'delta.enableDeletionVectors' = 'true');

ALTER TABLE playground.stores ADD CONSTRAINT floor_area_positive CHECK (floor_area > 0);

INSERT INTO playground.stores VALUES
  (1, 'North', DATE'2001-05-01', 800),
  (2, 'North', DATE'2009-09-15', 1200),
  (3, 'South', DATE'2015-03-20', 650),
  (4, 'South', DATE'2019-11-11', 2100);

-- COMMAND ----------

-- MAGIC %md
-- MAGIC ## Read, update, delete, merge

-- COMMAND ----------

SELECT region, count(*) AS stores, sum(floor_area) AS floor_area FROM playground.stores GROUP BY region ORDER BY region;

UPDATE playground.stores SET floor_area = 900 WHERE store_id = 1;

DELETE FROM playground.stores WHERE store_id = 3;

MERGE INTO playground.stores AS t
USING (SELECT * FROM VALUES (2, 'East', DATE'2009-09-15', 1250), (5, 'East', DATE'2024-02-01', 500)
       AS s (store_id, region, opened_on, floor_area)) AS s
ON t.store_id = s.store_id
WHEN MATCHED THEN UPDATE SET *
WHEN NOT MATCHED THEN INSERT *;

-- COMMAND ----------

-- MAGIC %md
-- MAGIC ## History, time travel, restore
-- MAGIC
-- MAGIC Every statement above made a version. `VERSION AS OF` reads an old one; `RESTORE` makes an old one the newest again
-- MAGIC and keeps those between.

-- COMMAND ----------

DESCRIBE HISTORY playground.stores;

SELECT count(*) AS stores_at_first FROM playground.stores VERSION AS OF 2;

RESTORE TABLE playground.stores TO VERSION AS OF 2;

SELECT count(*) AS stores_after_restore FROM playground.stores;

-- COMMAND ----------

-- MAGIC %md
-- MAGIC ## Change data feed
-- MAGIC
-- MAGIC What changed between two versions, row by row. The pipeline's gold tables are brought up to date this way.

-- COMMAND ----------

SELECT store_id, floor_area, _change_type, _commit_version
FROM table_changes('playground.stores', 3, 5)
ORDER BY _commit_version, store_id, _change_type;

-- COMMAND ----------

-- MAGIC %md
-- MAGIC ## Keep it healthy
-- MAGIC
-- MAGIC `OPTIMIZE` packs small files together and clusters; on a table without clustering columns `ZORDER BY` does the sorting.
-- MAGIC `VACUUM` deletes files that no version of the last seven days needs; `DRY RUN` only lists them.

-- COMMAND ----------

OPTIMIZE playground.stores;

CREATE OR REPLACE TABLE playground.stores_by_area USING DELTA AS SELECT * FROM playground.stores;

OPTIMIZE playground.stores_by_area ZORDER BY (floor_area);

VACUUM playground.stores RETAIN 168 HOURS DRY RUN;

DESCRIBE EXTENDED playground.stores;
