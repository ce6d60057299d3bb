"""Which keys the table holds: fingerprints in memory, a file a partition behind them."""
