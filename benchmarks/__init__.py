"""What is measured, beside what a user would do otherwise: `python -m benchmarks` races loads."""
