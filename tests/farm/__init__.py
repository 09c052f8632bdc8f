"""The conda mirror farm of the tests: real packages, an installer, HTTPS mirrors that fail on demand.

    channel = make_channel(tmp_path / "channel", default_packages())
    with Farm(tmp_path / "farm", channel=channel) as farm:
        farm.mirrors[0].fault = "http_403"                  # or {"*/linux-64/*.conda": "corrupt"}; "" ends it
        farm.mirrors_yaml(tmp_path / "mirrors.yaml")        # for BUILDER_MIRRORS
        ...                                                 # clients trust farm.ca_pem

What this host's environment says of certificates (REQUESTS_CA_BUNDLE, SSL_CERT_DIR) beats what a test configures:
unset it for clients that run on the host. `farm.fixtures` has the fixtures.
"""

from farm.channel import PLACEHOLDER, Channel, Link, Package, make_channel
from farm.installer import make_installer
from farm.mirror import CONNECTION_FAULTS, FAULTS, Mirror
from farm.packages import default_packages, small_packages
from farm.python39 import python_package
from farm.servers import Farm

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
