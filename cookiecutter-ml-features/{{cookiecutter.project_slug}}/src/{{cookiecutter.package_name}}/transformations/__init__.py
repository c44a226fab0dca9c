"""How each table is computed: functions from DataFrames to a DataFrame, with no session and no I/O."""
