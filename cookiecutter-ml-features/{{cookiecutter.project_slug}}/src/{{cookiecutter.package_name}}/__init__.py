"""Household Models: from landed files to gold tables."""
