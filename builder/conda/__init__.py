"""conda: what an image is given of its configuration, and the plugin that makes mirrors fail over."""
