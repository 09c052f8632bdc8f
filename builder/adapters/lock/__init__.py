"""What `lock` asks of the world: package indexes, distributions, installers."""
