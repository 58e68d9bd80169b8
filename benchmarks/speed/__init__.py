"""Requests a second, times and processor time, beside what the parts do alone: `python -m benchmarks.speed`."""
