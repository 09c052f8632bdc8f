"""As in conda; a stand-in."""
