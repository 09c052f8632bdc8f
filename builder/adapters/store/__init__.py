"""The content-addressed store, and what is made in it."""
