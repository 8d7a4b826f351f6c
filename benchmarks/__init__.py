"""Benchmarks: each figure beside its yardsticks, in one run. `python -m benchmarks` runs all of them."""
