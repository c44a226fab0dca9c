"""Measures the batch template's pipeline against what a user would write otherwise. `make bench` runs all of it."""
