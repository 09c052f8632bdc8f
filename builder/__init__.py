"""From a YAML recipe to a trusted, checked environment image."""

__version__ = "0.1.0"
