"""Benchmarks: what the operator costs, next to a baseline in the same run. `make bench` runs them all."""
