# What lies in the image: a bounded walk over its files. After the prelude.
import os
import stat
import time
from fnmatch import fnmatch
from typing import Dict, Iterator, List, Set, Tuple

# What the engine lays over the image when it starts a container, which is no part of the image.
ENGINES = {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/mtab", "/.dockerenv", "/run/.containerenv"}

Found = Tuple[str, os.stat_result]
"""An absolute path and its own status, links not followed."""


class Tree:
    """All that lies below some folders, for as many seconds as there are. Knows what it could not look at."""

    def __init__(self, seconds: float = 60.0) -> None:
        self.until = time.time() + seconds
        self.closed: List[str] = []
        self.seen = 0
        self.whole = True
        self.device = os.lstat("/").st_dev

    def walk(self, roots: "Tuple[str, ...]" = ("/",), leave: "Set[str]" = frozenset()) -> "Iterator[Found]":  # type: ignore[assignment]
        """Every file, link and folder; what is mounted over the image (/proc, /dev, /tmp) and `leave` left out."""
        waiting = [root for root in roots if os.path.isdir(root)]
        while waiting:
            if time.time() > self.until:
                self.whole = False
                return
            folder = waiting.pop()
            for path, status in self._inside(folder):
                self.seen += 1
                if stat.S_ISDIR(status.st_mode):
                    if status.st_dev != self.device or path in leave:
                        continue
                    waiting.append(path)
                yield path, status

    def _inside(self, folder: str) -> "List[Found]":
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            self.closed.append(folder)
            return []
        found = []
        for entry in entries:
            if entry.path not in ENGINES:
                try:
                    found.append((entry.path, entry.stat(follow_symlinks=False)))
                except OSError:
                    self.closed.append(entry.path)
        return found

    def unseen(self, closed: bool = True) -> str:
        """What could not be looked at, as a sentence; empty when all was. `closed`: folders that were shut count."""
        if not self.seen:
            return "no file of the image could be looked at"
        if not self.whole:
            return "not all of the image could be looked at: after {} files the time was over".format(self.seen)
        if closed and self.closed:
            return "not all of the image could be looked at: {} is closed".format(self.closed[0])
        return ""


def newer(tree: Tree, epoch: int) -> "List[str]":
    """Each file and link below / whose time is after the epoch, newest first. Folders get the engine's own times."""
    late = [(s.st_mtime, p) for p, s in tree.walk() if s.st_mtime > epoch and not stat.S_ISDIR(s.st_mode)]
    return ["{} ({})".format(path, day(when)) for when, path in sorted(late, reverse=True)]


def day(seconds: float) -> str:
    """A moment as people write it."""
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds))


def first(problems: "List[str]", most: int = 50) -> "List[str]":
    """Not more problems than a person reads."""
    return problems if len(problems) <= most else [*problems[:most], "and {} more".format(len(problems) - most)]


def excused(problems: "List[Tuple[str, str]]", allow: "Dict[str, str]") -> "Tuple[List[str], List[Dict[str, str]]]":
    """What is left of problems at paths, and what the recipe answers for: by path, in which `*` stands for anything."""
    left, allowed = [], []
    for path, told in problems:
        reason = next((why for pattern, why in sorted(allow.items()) if fnmatch(path, pattern)), None)
        if reason is None:
            left.append(told)
        else:
            allowed.append({"what": told, "reason": reason})
    return left, allowed
