"""What the speed benchmarks run: real servers, the load, and what is taken down and measured."""
