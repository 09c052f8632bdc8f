"""Mirrors as data: which hosts carry which source, and in which order to ask them."""
