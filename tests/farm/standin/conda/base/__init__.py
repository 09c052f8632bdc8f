"""Configuration, as in conda; a stand-in."""
