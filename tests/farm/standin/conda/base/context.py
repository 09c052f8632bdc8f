"""What conda is configured with: its files in its order, then CONDA_* variables. A stand-in of builder's tests."""

import os
import sys
from pathlib import Path

from ruamel.yaml import YAML

DEFAULTS = {
    "allow_non_channel_urls": False,
    "channel_alias": "https://conda.anaconda.org",
    "channel_priority": "flexible",
    "channels": [],
    "custom_channels": {},
    "default_channels": ["https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r"],
    "offline": False,
    "remote_backoff_factor": 1,
    "remote_connect_timeout_secs": 9.15,
    "remote_max_retries": 3,
    "remote_read_timeout_secs": 60.0,
    "show_channel_urls": None,
    "ssl_verify": True,
}
NAMES = (".condarc", "condarc")


def search_path():
    """The places of configuration files, the strongest last."""
    home, found = Path.home(), []
    named = os.environ.get("XDG_CONFIG_HOME", home / ".config")
    for folder in ("/etc/conda", "/var/lib/conda", sys.prefix, Path(named) / "conda", home / ".conda"):
        found += [Path(folder) / name for name in NAMES]
        found += sorted(Path(folder, "condarc.d").glob("*.y*ml"))
    found.append(home / ".condarc")
    found += [Path(os.environ["CONDARC"])] if "CONDARC" in os.environ else []
    return [path for path in found if path.is_file()]


class Context:
    """Attributes by the settings' names."""

    def __init__(self):
        self.settings = dict(DEFAULTS)
        for path in search_path():
            self.settings.update(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")) or {})
        for name, default in DEFAULTS.items():
            value = os.environ.get("CONDA_" + name.upper())
            if value is not None:
                self.settings[name] = _typed(value, default)

    def __getattr__(self, name):
        try:
            return self.settings[name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def root_prefix(self):
        return sys.prefix

    conda_prefix = root_prefix

    @property
    def user_agent(self):
        from conda import __version__

        return "conda/%s requests stand-in" % __version__  # noqa: UP031


def _typed(value, default):
    if isinstance(default, list):
        return [part for part in value.replace("&", ",").split(",") if part]
    if isinstance(default, bool) and value.lower() in ("0", "1", "true", "false", "yes", "no", "on", "off"):
        return value.lower() in ("1", "true", "yes", "on")
    return type(default)(value) if isinstance(default, (int, float)) and not isinstance(default, bool) else value


context = Context()


def reset_context():
    """Reads the files and variables again; everybody has this very object."""
    context.__init__()
