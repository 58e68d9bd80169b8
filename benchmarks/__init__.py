"""What is measured and simulated. Each module says how to run it."""
