# Every configuration that conda reads in the image says what the baked one says, and the failover plugin is in conda.
#
# A file that contradicts the baked one is a failure wherever it stands: which of several wins depends on the user, on
# the environment that is active and on `#!final`, so that nothing is left to win. What conda itself makes of all of
# them for the user who asks is looked at as well.
import glob
import json
import os
import pwd
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Tuple

if TYPE_CHECKING:
    from builder.checks._prelude import ARGS, conclude, finish

CONDA = "/opt/conda"
PYTHON = CONDA + "/bin/python"
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
BAKED = CONDA + "/.condarc"

# conda's search path (conda/base/constants.py), and mamba's own files; {home} is each user's.
FOLDERS = ("/etc/conda", "/var/lib/conda", CONDA, CONDA + "/envs/*", "{home}/.config/conda", "{home}/.conda")
NAMES = (".condarc", "condarc", "condarc.d/*.yml", "condarc.d/*.yaml", ".mambarc")
OTHERS = ("{home}/.condarc", "{home}/.mambarc")
VARIABLES = ("CONDARC", "MAMBARC", "CONDA_SSL_VERIFY", "CONDA_CHANNELS", "CONDA_CHANNEL_PRIORITY", "CONDA_OFFLINE")

REMOVE = ": take it out, {} says what is right".format(BAKED)

# Runs under conda's own Python: conda's YAML library reads the files as conda does.
READER = """
import json, sys
from ruamel.yaml import YAML
read = {}
for path in sys.argv[1:]:
    try:
        with open(path, encoding="utf-8") as file:
            read[path] = {"value": YAML(typ="safe", pure=True).load(file)}
    except Exception as error:
        read[path] = {"error": str(error).splitlines()[0]}
print(json.dumps(read, default=str))
"""

# What conda does when it starts, and then what its session asks the first mirrors with.
PLUGIN = """
import json, os, sys
from conda.base.context import context
from conda.plugins.manager import get_plugin_manager
from conda.gateways.connection.session import CondaSession
names = [name for name, _ in get_plugin_manager().list_name_plugin()]
with open(os.path.join(sys.prefix, "etc", "builder", "mirrors.json"), encoding="utf-8") as file:
    channels = json.load(file)["channels"]
session = CondaSession()
roots = [root for roots in channels.values() for root in roots]
through = {root: type(session.get_adapter(root + "/x")).__name__ for root in roots}
print(json.dumps({"plugins": names, "channels": channels, "adapters": through}))
"""


def asked(*argv: str) -> "Tuple[Any, str]":
    """The JSON that conda's Python answers with, or why there is none."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    pipes: Dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    try:
        done = subprocess.run([PYTHON, "-I", "-B", *argv], check=False, timeout=120, env=environment, **pipes)
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, str(error)
    said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
    try:
        return json.loads(done.stdout.decode("utf-8")), ""
    except ValueError:
        return None, said[-1] if said else "exit code {}".format(done.returncode)


def configuration_files() -> "List[str]":
    homes = sorted(
        {"/root", os.path.expanduser("~")} | {user.pw_dir for user in pwd.getpwall()} | set(glob.glob("/home/*"))
    )
    patterns = [folder + "/" + name for folder in FOLDERS for name in NAMES] + list(OTHERS)
    patterns += [os.environ[name] for name in ("CONDARC", "MAMBARC") if os.environ.get(name)]
    named = (pattern.format(home=home) for pattern in patterns for home in homes)
    found = {os.path.normpath(path) for pattern in named for path in glob.glob(pattern)}
    return sorted(path for path in found if os.path.isfile(path))


def texts(value: Any) -> "Iterator[str]":
    """Every text in a value, however deep."""
    if isinstance(value, dict):
        value = [part for pair in value.items() for part in pair]
    if isinstance(value, list):
        for part in value:
            yield from texts(part)
    elif isinstance(value, str):
        yield value


def file_problems(path: str, read: "Dict[str, Any]") -> "List[str]":
    """What a configuration file says that the baked one does not."""
    if "error" in read:
        return ["{} cannot be read, conda ignores all of it: {}".format(path, read["error"])]
    if not isinstance(read["value"], dict):
        return [] if read["value"] is None else ["{} is no mapping, conda ignores all of it".format(path)]
    found = []
    for key, value in read["value"].items():
        where = "{} in {}".format(key, path)
        if key in ("ssl_verify", "verify_ssl") and not is_bundle(value):
            found.append("{} is {!r}, not {}{}".format(where, value, BUNDLE, REMOVE))
        elif key == "channel_priority" and value != "strict":
            found.append("{} is {!r}, not strict{}".format(where, value, REMOVE))
        elif key in ("channels", "channel") and value != ARGS["channels"]:
            found.append("{} is {}, the recipe's are {}{}".format(where, value, ARGS["channels"], REMOVE))
        elif key == "restore_free_channel" and value:
            found.append("{} brings back pkgs/free, which is dead{}".format(where, REMOVE))
        if key == "proxy_servers":
            continue
        found += ["{} has {}: over plain http anyone may change what arrives; name its https address".format(where, t)
                  for t in texts(value) if t.lower().startswith("http://")]  # fmt: skip
        found += ["{} has {}, which is dead{}".format(where, t, REMOVE)
                  for t in texts(value) if t.rstrip("/").endswith("pkgs/free")]  # fmt: skip
    return found


def is_bundle(value: Any) -> bool:
    """Whether a setting is the path of the image's bundle, which exists."""
    return isinstance(value, str) and os.path.isfile(value) and os.path.samefile(value, BUNDLE)


def variable_problems() -> "List[str]":
    remedy = ": take it out of the image's environment"
    wrong = [name for name in VARIABLES if name in os.environ]
    wrong = [name for name in wrong if not (name == "CONDA_SSL_VERIFY" and is_bundle(os.environ[name]))]
    return ["{} is set ({!r}) and beats every file{}".format(name, os.environ[name], remedy) for name in wrong]


def effective_problems(shown: "Dict[str, Any]") -> "List[str]":
    """What conda itself makes of files and variables."""
    found = []
    if not is_bundle(shown.get("ssl_verify")):
        found.append("conda verifies with {!r}, not with {}".format(shown.get("ssl_verify"), BUNDLE))
    if list(shown.get("channels") or ()) != ARGS["channels"]:
        found.append("conda's channels are {}, the recipe's are {}".format(shown.get("channels"), ARGS["channels"]))
    if str(shown.get("channel_priority")) != "strict":
        found.append("conda's channel_priority is {}, not strict".format(shown.get("channel_priority")))
    return found


def plugin_problems(seen: "Dict[str, Any]") -> "List[str]":
    remedy = ": has {}/etc/builder or its site-packages been changed since the build?".format(CONDA)
    if not any(name.startswith("builder") for name in seen["plugins"]):
        return ["conda has not loaded the plugin builder-failover, only {}{}".format(seen["plugins"], remedy)]
    several = [root for roots in seen["channels"].values() if len(roots) > 1 for root in roots]
    return ["requests to {} do not pass through the failover{}".format(root, remedy)
            for root in several if seen["adapters"][root] != "FailoverAdapter"]  # fmt: skip


def main() -> None:
    if not os.path.exists(PYTHON):
        finish("FAIL", "there is no conda at {}: a recipe without `conda:` cannot ask for this check".format(CONDA))
    files = configuration_files()
    read, why = asked("-c", READER, *files)
    if read is None:
        finish("FAIL", "conda's Python cannot read YAML ({}): is ruamel.yaml gone from {}?".format(why, CONDA))
    problems = [] if BAKED in files else ["there is no {}: the build writes it".format(BAKED)]
    problems += [problem for path in files for problem in file_problems(path, read[path])] + variable_problems()
    shown, why = asked("-m", "conda", "config", "--show", "--json")
    problems += effective_problems(shown) if shown else ["`conda config --show` fails: {}".format(why)]
    seen, why = asked("-c", PLUGIN)
    problems += plugin_problems(seen) if seen else ["conda cannot load its plugins: {}".format(why)]
    keys = ("channels", "channel_priority", "ssl_verify", "default_channels", "custom_channels")
    conclude(
        problems,
        "{}, strict, verified by {}, in every configuration file ({}); the failover plugin is loaded".format(
            ", ".join(ARGS["channels"]), BUNDLE, len(files)
        ),
        files={path: read[path].get("value", read[path].get("error")) for path in files},
        effective={key: (shown or {}).get(key) for key in keys},
        plugin=seen,
        python=sys.version.split()[0],
    )


main()
