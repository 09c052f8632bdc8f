"""The conda mirror farm of the tests: real packages, an installer, HTTPS mirrors that fail on demand."""

from farm.channel import PLACEHOLDER, Channel, Link, Package, make_channel
from farm.packages import small_packages
from farm.servers import CONNECTION_FAULTS, FAULTS, Farm, Mirror

__all__ = [
    "CONNECTION_FAULTS",
    "FAULTS",
    "PLACEHOLDER",
    "Channel",
    "Farm",
    "Link",
    "Mirror",
    "Package",
    "make_channel",
    "small_packages",
]
