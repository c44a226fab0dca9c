"""Point-of-sale events made from real baskets, for a first run, for tests and for load."""
