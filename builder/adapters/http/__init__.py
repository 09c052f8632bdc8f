"""GET over HTTP as the host's own clients do it."""
