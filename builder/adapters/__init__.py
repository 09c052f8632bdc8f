"""Everything that touches a process, a disk or the network."""
