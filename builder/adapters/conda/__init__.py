"""Conda channels: repodata from mirrors, kept from one lock to the next."""
