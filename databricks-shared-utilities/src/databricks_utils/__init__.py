"""Contracts, quality, medallion pipelines and Delta Lake for Databricks projects that also run on a laptop."""
