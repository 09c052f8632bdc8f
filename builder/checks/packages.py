# The packages are the lock's, by name and version, and no others: wheels, conda packages, Debian packages. Among the
# environment's packages and the system's programs is no file of nobody's, and every file for which its package's own
# record has a hash has that content. The records lie in the image, too: that what was installed is what the lock names
# is seen to while it is fetched, by the lock's hashes; this sees that nobody changed it afterwards.
import os
import sys
import time
from typing import TYPE_CHECKING, Dict, List, Tuple

if TYPE_CHECKING:
    from builder.checks._owners import (
        CondaPackage,
        Distribution,
        Record,
        Records,
        conda_packages,
        debs,
        digest_of,
        distributions,
        normal,
        of_debs,
        of_wheel,
        sites,
    )
    from builder.checks._prelude import ARGS, conclude
    from builder.checks._tree import Tree, excused, first

PROGRAMS = (
    *("/bin", "/sbin", "/usr/bin", "/usr/sbin"),
    *("/usr/local/bin", "/usr/local/sbin", "/usr/local/lib", "/usr/local/libexec"),
)
"""Where shells and programs look before or beside the environment."""


def compared(kind: str, have: "Dict[str, str]", want: "Dict[str, str]", whole: bool = True) -> "List[str]":
    """How what is there differs from the lock, by name; `whole`: the lock names all that may be there."""
    problems = []
    for name, version in sorted(want.items()):
        if name not in have:
            problems.append("{} {} is missing: the lock has {}".format(kind, name, version))
        elif have[name] != version:
            problems.append("{} {} is {}, the lock says {}".format(kind, name, have[name], version))
    beyond = sorted(set(have) - set(want)) if whole else []
    return problems + ["{} {} {} is in no lock".format(kind, name, have[name]) for name in beyond]


def wheel_problems(own: str, conda: Records, other: Records) -> "Tuple[List[str], List[Distribution]]":
    """Of every Python of the image; the distributions of the environment that are wheels."""
    wheels, problems = [], []
    for site in sites(sys.prefix):
        for one in distributions(site):
            marks = [one.info] + [os.path.join(one.info, n) for n in ("METADATA", "PKG-INFO", "RECORD")]
            if any(mark in conda or mark in other for mark in marks):
                continue  # its conda or Debian package is compared by itself
            if site == own:
                wheels.append(one)
            else:
                problems.append("{} {} in {} is in no lock".format(one.name, one.version, site))
    have = {one.name: one.version for one in wheels}
    if len(have) < len(wheels):
        names = [one.name for one in wheels]
        problems += ["wheel {} is installed twice".format(n) for n in sorted(set(names)) if names.count(n) > 1]
    wanted = {normal(name): version for name, version in ARGS.get("wheels", {}).items()}
    return compared("wheel", have, wanted) + problems, wheels


def strangers(site: str, records: Records, tree: Tree) -> "List[str]":
    """Files among the packages that no package names; byte code is left out, it has no record."""
    found: Dict[str, List[str]] = {}
    for path, status in tree.walk((site,)):
        compiled = path.endswith(".pyc") and "/__pycache__/" in path
        if (status.st_mode & 0o170000) != 0o040000 and not compiled and path not in records:
            top = os.path.relpath(path, site).split(os.sep)[0]
            found.setdefault(top, []).append(path)
    text = "{} belongs to no package{}"
    return [
        text.format(paths[0], " (and {} more in {})".format(len(paths) - 1, top) if len(paths) > 1 else "")
        for top, paths in sorted(found.items())
    ]


def strange_programs(records: Records) -> "List[Tuple[str, str]]":
    """Programs that no package brought, with their paths; a link, as of alternatives, is whose what it leads to is."""
    found = []
    for path, status in Tree().walk(tuple(root for root in PROGRAMS if not os.path.islink(root))):
        if (status.st_mode & 0o170000) == 0o040000 or path.endswith(".pyc") or path in records:
            continue
        if not (os.path.islink(path) and os.path.realpath(path) in records):
            found.append((path, "{} belongs to no package".format(path)))
    return found


class Contents:
    """Compares files with what their packages say of them; small ones first, for as long as there is time."""

    def __init__(self, records: Records, lenient: bool, seconds: float) -> None:
        self.records, self.lenient, self.seconds, self.until = records, lenient, seconds, time.time() + seconds
        self.hashed = self.unhashed = self.bytes = 0
        self.nameless = sum(not r.algorithm and os.path.isfile(p) and not os.path.islink(p) for p, r in records.items())
        self.problems: List[str] = []

    def compare(self) -> None:
        sizes = {path: self._size(path, record) for path, record in self.records.items() if record.algorithm}
        there = sorted((size, path) for path, size in sizes.items() if size >= 0)
        for size, path in there:  # on one core: another check has the other, and may be measuring
            self._count(path, size, self._digest(path))

    def _size(self, path: str, record: Record) -> int:
        """Of the file, or -1 where there is nothing more to compare."""
        try:
            size = os.stat(path).st_size
        except OSError as error:
            if not (self.lenient and record.algorithm == "md5"):  # a slim base leaves documentation out
                self.problems.append("{} of {} is missing ({})".format(path, record.owner, error.strerror))
            return -1
        if record.size >= 0 and record.size != size:
            text = "{} has {} bytes, {} says {}"
            self.problems.append(text.format(path, size, record.owner, record.size))
            return -1
        return size

    def _digest(self, path: str) -> str:
        return (digest_of(path, self.records[path].algorithm) or "unreadable") if time.time() < self.until else ""

    def _count(self, path: str, size: int, digest: str) -> None:
        record = self.records[path]
        if not digest:
            self.unhashed += 1
            return
        self.hashed += 1
        self.bytes += size
        if digest != record.digest:
            self.problems.append("{} is not as {} has it: its {} differs".format(path, record.owner, record.algorithm))

    def told(self) -> str:
        less = "; {} more have no hash in their records".format(self.nameless) if self.nameless else ""
        return "{} files have the content that their packages' records name{}".format(self.hashed, less)

    def unseen(self) -> str:
        """What was not compared, and what to do about it; empty when all was."""
        text = (
            "{} files were compared by their size alone, for {:.0f} s were over: give it more, as in "
            "`packages: {{seconds: 600, timeout: 900}}`"
        )
        return text.format(self.unhashed, self.seconds) if self.unhashed else ""


def weights(records: Records) -> "Dict[str, int]":
    """Bytes of the twenty largest packages."""
    found: Dict[str, int] = {}
    for path, record in records.items():
        if os.path.isfile(path) and not os.path.islink(path):
            found[record.owner] = found.get(record.owner, 0) + os.path.getsize(path)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0]))[:20])


def known_of(packages: "List[CondaPackage]") -> Records:
    return {path: record for package in packages for path, record in package.files.items()}


def main() -> None:
    prefix, whole = sys.prefix, bool(ARGS.get("debs_whole", True))
    conda = conda_packages(prefix)
    base = conda_packages("/opt/conda") if prefix != "/opt/conda" else []
    linked, debian = dict(known_of(base), **known_of(conda)), of_debs()
    plans = {path: Record("the plan", "", "", -1) for path in ARGS.get("written", [])}
    own = sites(prefix)[0] if sites(prefix) else ""
    problems, wheels = wheel_problems(own, linked, dict(debian, **plans))
    have = {p.name: "{} {}".format(p.version, p.build) for p in conda}
    problems += compared("conda package", have, ARGS.get("conda", {}))
    installed = debs()
    problems += compared("Debian package", installed, ARGS.get("debs", {}), whole)
    programs = strange_programs(dict(debian, **dict(linked, **plans))) if whole else []
    strange, vouched = excused(programs, ARGS.get("allow", {}))
    problems += strange
    recorded = {path: record for one in wheels for path, record in of_wheel(one).items()}
    unread = ["wheel {} has no RECORD".format(one.name) for one in wheels if not os.path.isfile(one.info + "/RECORD")]
    ours, tree = dict(linked, **recorded), Tree()
    problems += unread + (strangers(own, dict(ours, **plans), tree) if own.startswith(prefix) else [])
    every = {p: r for p, r in dict(debian, **ours).items() if p not in plans and not p.endswith(".pyc")}
    contents = Contents(every, not whole, float(ARGS.get("seconds", 240)))
    contents.compare()
    problems += sorted(contents.problems)
    conclude(
        first(problems),
        "{} wheels, {} conda packages and {} Debian packages as locked, and {}; {}".format(
            len(wheels),
            len(conda),
            len(installed),
            "no other" if whole else "what else the base has",
            contents.told(),
        ),
        unseen=contents.unseen() or ("" if tree.whole else tree.unseen()),
        wheels=len(wheels),
        conda=len(conda),
        debian=len(installed),
        of_the_installer=len(base),
        hashed=contents.hashed,
        hashed_bytes=contents.bytes,
        by_size_alone=contents.unhashed,
        without_hash=contents.nameless,
        largest=weights(ours),
        allowed=vouched,
    )


main()
