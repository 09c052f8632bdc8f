"""Certificate chains that fail for one reason each, and the servers that present them."""
