"""The conda mirror farm of the tests: real packages, an installer, HTTPS mirrors that fail on demand."""

from farm.channel import PLACEHOLDER, Channel, Link, Package, make_channel
from farm.installer import make_installer
from farm.packages import default_packages, small_packages
from farm.python39 import python_package
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
    "default_packages",
    "make_channel",
    "make_installer",
    "python_package",
    "small_packages",
]
