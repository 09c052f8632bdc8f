"""What an audit reads and writes: files, hosts, images."""
