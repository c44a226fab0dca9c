"""The flow: which tables there are, what each reads, how each is written."""
