"""Benchmarks of the cost and the speed of the store on this machine, compared with a reference in the same run."""
