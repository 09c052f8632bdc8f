# Who a container's processes are, and what they may do to the image: the user that the purpose asks for, no program
# that gives more rights than a base's known ones, nothing that anybody may write.
import glob
import grp
import os
import pwd
import re
import stat
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Dict, List, Tuple

if TYPE_CHECKING:
    from builder.checks._prelude import ARGS, conclude
    from builder.checks._tree import Tree, first

# Debian's own programs that run as their owner or group: the base's packages passwd, login, mount, util-linux,
# libpam-modules-bin, bsdutils, and of what is commonly installed on top openssh-client, dbus, libutempter0.
KNOWN = (
    *("chage", "chfn", "chsh", "expiry", "gpasswd", "newgrp", "passwd", "su", "mount", "umount", "wall", "write.ul"),
    *("unix_chkpwd", "pam_extrausers_chkpwd", "ssh-agent", "ssh-keysign", "dbus-daemon-launch-helper", "utempter"),
    *("bsd-write", "write", "dotlockfile", "crontab", "fusermount", "fusermount3", "sudo"),
)
# Programs with capabilities of their own: iputils' ping, arping, clockdiff; mtr's; on the RHEL family shadow-utils'.
KNOWN_CAPABLE = ("ping", "arping", "clockdiff", "mtr-packet", "newuidmap", "newgidmap")
CAPABLE = "has capabilities of its own"
FOLDERS = ("/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/usr/lib/")
NEVER = ("sudo", "fusermount", "fusermount3", "crontab")  # known, and still no part of a deployment image
EMPTY = re.compile(r"(?m)^([^:\n]+)::")
UNASKED = re.compile(r"(?m)^(?!\s*#\D).*\bNOPASSWD\s*:.*|^\s*Defaults\b.*!\s*authenticate\b.*")


def named(number: int, table: object) -> str:
    try:
        return str(table.getpwuid(number).pw_name if table is pwd else table.getgrgid(number).gr_name)  # type: ignore[attr-defined]
    except KeyError:
        return str(number)


def who_problems(deployment: bool) -> "List[str]":
    """Whether the processes are who the purpose says."""
    uid, gid, wanted = os.getuid(), os.getgid(), ARGS.get("user")
    problems = []
    if deployment and uid == 0:
        problems.append("the default user is root: a deployment image's is a number such as 1000:1000")
    if deployment and uid and 0 in [gid, *os.getgroups()]:
        problems.append("user {} is in group root".format(uid))
    if wanted and "{}:{}".format(uid, gid) != wanted and not problems:
        problems.append("the default user is {}:{}, the plan says {}".format(uid, gid, wanted))
    return problems


def root_problems() -> "List[str]":
    """Names other than root's that mean root, and ways to become another one without a password."""
    found = []
    for entry in pwd.getpwall():
        if entry.pw_uid == 0 and entry.pw_name != "root":
            found.append("{} in /etc/passwd is root by another name".format(entry.pw_name))
        if entry.pw_passwd == "":
            found.append("{} in /etc/passwd needs no password".format(entry.pw_name))
    found += ["{} in /etc/shadow needs no password".format(name) for name in EMPTY.findall(text_of("/etc/shadow"))]
    for path in ("/etc/sudoers", *sorted(glob.glob("/etc/sudoers.d/*"))):
        line = UNASKED.search(text_of(path))
        if line and not allowed(path):
            found.append("{} gives rights without a password: {}".format(path, line.group().strip()[:100]))
    return found


def text_of(path: str) -> str:
    """A file's text; empty where it is not there, or for others to read: no process of the image's reads it either."""
    try:
        with open(path, "rb") as file:
            return file.read(1 << 20).decode("utf-8", "replace")
    except OSError:
        return ""


def allowed(path: str) -> bool:
    """Whether the recipe vouches for a path."""
    return any(fnmatch(path, pattern) for pattern in ARGS.get("allow", ()))


def raised(path: str, status: os.stat_result) -> str:
    """Which rights a program gives that who runs it does not have; empty for none."""
    mode = status.st_mode
    if not stat.S_ISREG(mode):
        return ""
    if mode & stat.S_ISUID:
        return "is setuid {}".format(named(status.st_uid, pwd))
    if mode & stat.S_ISGID:
        return "is setgid {}".format(named(status.st_gid, grp))
    return CAPABLE if mode & 0o111 and capable(path) else ""


def capable(path: str) -> bool:
    """Whether a program has capabilities of its own, which no mode shows."""
    try:
        return "security.capability" in os.listxattr(path, follow_symlinks=False)
    except OSError:
        return False


def known(path: str, rights: str, deployment: bool) -> bool:
    """Whether it is one of a base's known programs."""
    name = os.path.basename(path)
    names = KNOWN_CAPABLE if rights == CAPABLE else KNOWN
    return path.startswith(FOLDERS) and name in names and not (deployment and name in NEVER)


def looked(tree: Tree, deployment: bool) -> "Tuple[List[str], Dict[str, List[str]]]":
    """What is wrong with the files' modes, and what was seen."""
    problems, seen, shared = [], {"raising": [], "open": []}, set()  # type: ignore[var-annotated]
    for path, status in tree.walk():
        mode = status.st_mode
        if os.path.dirname(path) in shared and not stat.S_ISDIR(mode):
            continue
        rights = raised(path, status)
        if rights:
            seen["raising"].append(path)
            if not known(path, rights, deployment) and not allowed(path):
                problems.append("{} {}".format(path, rights))
        if not mode & stat.S_IWOTH or stat.S_ISLNK(mode) or stat.S_ISSOCK(mode) or allowed(path):
            continue
        if stat.S_ISDIR(mode) and mode & stat.S_ISVTX:  # a folder like /tmp: each may remove their own alone
            shared.add(path)
            continue
        seen["open"].append(path)
        problems.append("{} can be written by anybody (mode {:04o})".format(path, stat.S_IMODE(mode)))
    return problems, seen


def home_problems(deployment: bool) -> "Tuple[List[str], str]":
    """Whether the user's home is there to be written; asked only where the recipe says so."""
    home, uid = os.environ.get("HOME", "/"), os.getuid()
    try:
        status = os.stat(home)
        own = status.st_uid == uid and bool(status.st_mode & stat.S_IWUSR)
        writable = (
            own
            or bool(status.st_mode & stat.S_IWOTH)
            or (status.st_gid == os.getgid() and bool(status.st_mode & stat.S_IWGRP))
        )
    except OSError:
        writable = False
    told = "{} ({})".format(home, "its own" if writable else "not its own")
    if ARGS.get("home") == "writable" and not writable:
        return ["the recipe asks for a home that user {} may write, and {} is none".format(uid, home)], told
    if deployment and uid and home == "/" and writable:
        return ["user {} may write the root folder".format(uid)], told
    return [], told


def code_problems(deployment: bool) -> "List[str]":
    """A process that may change its own program is one that an attacker can stay in."""
    import sys

    owned = [p for p in (sys.prefix, sys.prefix + "/bin", sys.executable) if os.stat(p).st_uid == os.getuid()]
    return (
        ["{} belongs to user {}, who runs it".format(owned[0], os.getuid())]
        if deployment and owned and os.getuid()
        else []
    )


def main() -> None:
    deployment = ARGS.get("purpose") == "deployment"
    tree = Tree()
    problems, seen = looked(tree, deployment)
    home, told = home_problems(deployment)
    problems = who_problems(deployment) + root_problems() + home + code_problems(deployment) + problems
    conclude(
        first(problems),
        "user {} ({}:{}), as {} asks; {} programs raise rights, all known; nobody may write any of {} files".format(
            named(os.getuid(), pwd),
            os.getuid(),
            os.getgid(),
            ARGS.get("purpose", "training"),
            len(seen["raising"]),
            tree.seen,
        ),
        unseen=tree.unseen(closed=False),
        user=os.getuid(),
        group=os.getgid(),
        groups=[named(number, grp) for number in os.getgroups()],
        home=told,
        raising=seen["raising"],
        closed=first(tree.closed, 20),
        whole=tree.whole,
    )


main()
