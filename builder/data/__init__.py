"""Tables that are data, not code. Each says where its facts come from."""
