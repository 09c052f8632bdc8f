"""Certificates: what a bundle holds. Pure: no file and no network."""
