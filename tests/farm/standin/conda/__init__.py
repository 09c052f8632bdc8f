"""A stand-in for conda, made for the tests of builder: NOT conda.

It stands where the real one cannot be had. It has conda's module names for what a plugin touches (`conda.plugins`,
`conda.gateways.connection.session`, `conda.base.context`), reads its configuration files, and fetches one address
the way that conda does. It solves nothing and installs nothing.
"""

__version__ = "@VERSION@"


class CondaError(Exception):
    """What conda's own errors are."""
