"""A report for machines and people: pure functions of it."""
