"""What changes with the number of live verifications: `python -m benchmarks.growth`."""
