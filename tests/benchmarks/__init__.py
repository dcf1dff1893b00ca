"""Benchmarks: each figure beside a baseline of its run. See docs/performance.md."""
