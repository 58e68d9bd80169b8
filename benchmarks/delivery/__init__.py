"""Who holds a code in time, and what it costs: `python -m benchmarks.delivery`."""
