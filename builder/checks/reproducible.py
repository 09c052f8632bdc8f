# Nothing that is known to differ from build to build is in the image: what names one machine, what an installation
# writes down of its own hour, byte code with the time of its source, paths of the place where it was built.
#
# That two builds of one lock give one image ID is shown by building twice, as CI does. This finds the usual causes in
# an image that nobody builds twice. A time counts as a build's own when it is later than the publication of the lock's
# newest part. The times of files themselves are looked at by `clock`.
import glob
import json
import os
import re
import struct
import sys
import time
from typing import TYPE_CHECKING, Dict, Iterator, List, Tuple

if TYPE_CHECKING:
    from builder.checks._owners import sites
    from builder.checks._prelude import ARGS, conclude
    from builder.checks._tree import Tree, day, excused, first

# What names one machine, and is made anew for each.
MACHINE = (
    *("/etc/machine-id", "/var/lib/dbus/machine-id", "/etc/hostid", "/etc/ssh/ssh_host_*_key*", "/etc/ssl/private/*"),
    *("/var/lib/systemd/random-seed", "/var/lib/urandom/random-seed", "/root/.rnd", "/home/*/.rnd"),
)
NO_ID = ("", "uninitialized")  # of systemd: to be made at the first start
# What an installation writes down of its own hour, or of the times of what it indexes (the first six by apt).
HOURS = (
    *("/var/cache/apt/pkgcache.bin", "/var/cache/apt/srcpkgcache.bin", "/var/cache/ldconfig/aux-cache"),
    *("/var/log/apt/history.log", "/var/log/apt/term.log", "/var/log/dpkg.log"),
    *("/var/log/alternatives.log", "/var/log/bootstrap.log", "/var/log/yum.log", "/var/log/dnf*.log"),
    *("/var/cache/fontconfig/*", "/var/cache/man/index.db", "/var/lib/mlocate/mlocate.db"),
)
SCRATCH = re.compile(r"/\.builder/|/out/(?:opt|usr|etc)/|/(?:var/)?tmp/")
OWN_SCRATCH = re.compile(r"/\.builder/|/out/(?:opt|usr|etc)/")
STAMP = re.compile(r"(?m)^==> (\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d) <==")
FIRST_WITH_FLAGS = 3392  # the magic number of Python 3.7's first byte code whose header says how it is checked


def there(patterns: "Tuple[str, ...]") -> "List[str]":
    """The files with something in them."""
    found = [path for pattern in patterns for path in sorted(glob.glob(pattern))]
    return [path for path in found if os.path.isfile(path) and os.path.getsize(path)]


def text_at(path: str, most: int = 1 << 22) -> str:
    with open(path, "rb") as file:
        return file.read(most).decode("utf-8", "replace")


def machine_problems() -> "Iterator[str]":
    for path in there(MACHINE):
        if not (path.endswith("machine-id") and text_at(path).strip() in NO_ID):
            yield "{} is made anew for each machine: empty it in the step that makes it".format(path)


def hour_problems() -> "Iterator[str]":
    for path in there(HOURS):
        yield "{} holds the hour of its making: remove it in the step that makes it".format(path)


def account_problems(latest: int) -> "Iterator[str]":
    """useradd and passwd note the day; with SOURCE_DATE_EPOCH set they note that one."""
    for line in text_at("/etc/shadow").splitlines() if os.path.isfile("/etc/shadow") else ():
        fields = line.split(":")
        if len(fields) > 2 and fields[2].isdigit() and int(fields[2]) > latest // 86400:
            yield "/etc/shadow has {} changed on {}, the day of a build".format(
                fields[0], day(int(fields[2]) * 86400)[:10]
            )


class Compiled:
    """All byte code of the image."""

    def __init__(self, latest: int) -> None:
        self.latest, self.count, self.stale = latest, 0, 0
        self.late: List[str] = []

    def look(self, path: str) -> None:
        with open(path, "rb") as file:
            head = file.read(16)
        if len(head) < 16:
            return
        self.count += 1
        magic, flags, when = struct.unpack("<H2xII", head[:12])
        if magic < FIRST_WITH_FLAGS:
            flags, when = 0, flags
        if flags & 1:  # checked by the hash of its source, or not at all
            return
        if when > self.latest:
            self.late.append("{} ({})".format(path, day(when)))
        folder, name = os.path.split(path)
        source = os.path.join(os.path.dirname(folder), name.partition(".")[0] + ".py")
        if os.path.basename(folder) == "__pycache__" and os.path.isfile(source):
            self.stale += int(os.stat(source).st_mtime) & 0xFFFFFFFF != when

    def problems(self) -> "Iterator[str]":
        if self.late:
            text = "{} files of byte code hold a time after {}, {} for one: compile by hash (SOURCE_DATE_EPOCH does it)"
            yield text.format(len(self.late), day(self.latest), self.late[0])


def wheel_problems(site: str) -> "Iterator[str]":
    """What installers note of where a wheel came from and when."""
    for path in sorted(glob.glob(site + "/*.dist-info/uv_cache.json")):
        yield "{} holds the time of the wheel's file: remove it and its line in RECORD".format(path)
    for path in sorted(glob.glob(site + "/*.dist-info/direct_url.json")):
        if '"file://' in text_at(path).replace(" ", ""):
            yield "{} holds the path of the wheel's file: remove it and its line in RECORD".format(path)
    for pattern in ("/*.dist-info/RECORD", "/*.pth", "/*.egg-link"):
        for path in sorted(glob.glob(site + pattern)):
            yield from scratch_problem(path, SCRATCH)


def scratch_problem(path: str, pattern: "re.Pattern[str]" = SCRATCH) -> "Iterator[str]":
    found = pattern.search(text_at(path))
    if found:
        yield "{} names {}, which is a place of the build".format(path, found.group())


def script_problems(prefixes: "List[str]") -> "Iterator[str]":
    """Programs that start with an interpreter of the build's own, and what Python knows of its making."""
    for path in [p for prefix in prefixes for p in sorted(glob.glob(prefix + "/bin/*"))]:
        if os.path.isfile(path) and not os.path.islink(path):
            line = text_at(path, 512).partition("\n")[0]
            if line.startswith("#!") and SCRATCH.search(line):
                yield "{} starts with {}, which is a place of the build".format(path, line)
    for prefix in prefixes:
        for pattern in ("/pyvenv.cfg", "/lib/python3*/_sysconfigdata*.py", "/lib/python3*/config-3*/Makefile"):
            for path in sorted(glob.glob(prefix + pattern)):
                yield from scratch_problem(path, OWN_SCRATCH)


def conda_problems(prefix: str, latest: int) -> "Iterator[str]":
    """What conda notes of an installation: its hour, and where the packages lay."""
    history = prefix + "/conda-meta/history"
    if os.path.isfile(history):
        moments = [tuple(map(int, found)) for found in STAMP.findall(text_at(history))]
        late = [m for m in moments if m > tuple(time.gmtime(latest)[:6])]
        if late:
            yield "{} has {}-{:02}-{:02}, the day of a build".format(history, *late[0][:3])
    for path in sorted(glob.glob(prefix + "/conda-meta/*.json")):
        data = json.loads(text_at(path, 1 << 26))
        link = data.get("link") if isinstance(data.get("link"), dict) else {}
        places: Dict[str, object] = {
            "extracted_package_dir": data.get("extracted_package_dir"),
            "package_tarball_full_path": data.get("package_tarball_full_path"),
            "link": link.get("source"),
        }
        named = [key for key, value in sorted(places.items()) if isinstance(value, str) and SCRATCH.search(value)]
        if named:
            yield "{} has {} of {}, which is a place of the build".format(path, named[0], places[named[0]])


def main() -> None:
    latest = int(ARGS.get("created", 0))
    prefixes = [sys.prefix, "/usr", "/usr/local", "/opt/conda", *sorted(glob.glob("/opt/conda/envs/*"))]
    prefixes = list(dict.fromkeys(prefix for prefix in prefixes if os.path.isdir(prefix)))
    tree, compiled = Tree(), Compiled(latest)
    for path, _ in tree.walk():
        if path.endswith(".pyc") and os.path.isfile(path):
            compiled.look(path)
    problems = [*machine_problems(), *hour_problems(), *account_problems(latest), *compiled.problems()]
    problems += [problem for site in sites(sys.prefix) for problem in wheel_problems(site)]
    problems += script_problems(prefixes)
    problems += [problem for prefix in prefixes for problem in conda_problems(prefix, latest)]
    left, allowed = excused([(problem.partition(" ")[0], problem) for problem in problems], ARGS.get("allow", {}))
    conclude(
        first(left),
        "nothing names one machine, one hour or a place of the build; {} files of byte code, none with a time "
        "after {}".format(compiled.count, day(latest)),
        unseen=tree.unseen(),
        allowed=allowed,
        compiled=compiled.count,
        compiled_that_do_not_fit=compiled.stale,
        late=first(compiled.late, 20),
        prefixes=prefixes,
        whole=tree.whole,
    )


main()
