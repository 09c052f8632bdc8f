"""Finds configuration that is insecure or stale, and mends it. Pure: texts in, findings out."""
