# No key, token, cache or history is left behind: nothing that signs or logs in as somebody, nothing that tells what was
# typed, downloaded or logged while the image was made.
#
# Every file is looked at by its name; those that no package owns, and all below /etc and in homes, also by their
# content, up to a size that no key or configuration has; of larger ones the beginning, where their name says that
# secrets are kept there. What a package itself publishes (the keys in cryptography's tests) is no secret: it stays in
# the evidence, unless the file differs from what the package's record says.
import glob
import os
import pwd
import stat
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Tuple

if TYPE_CHECKING:
    from builder.checks._owners import Records, conda_packages, digest_of, distributions, of_debs, of_wheel, sites
    from builder.checks._prelude import ARGS, conclude, finish
    from builder.checks._secrets import Hit, hits_in, is_named, is_secret_setting, tokens_in
    from builder.checks._tree import Tree, excused, first

LARGEST = 1 << 20  # bytes of a file that are read
HISTORIES = (
    *(".bash_history", ".zsh_history", ".sh_history", ".ash_history", ".histfile", "fish_history", ".python_history"),
    *(".node_repl_history", ".sqlite_history", ".psql_history", ".mysql_history", ".rediscli_history", ".Rhistory"),
    *(".lesshst", ".viminfo", ".wget-hsts", ".gdb_history", "history.sqlite"),
)
# Of {home}: each user's. What a client keeps to be faster the next time is of no use in an image.
CACHES = (
    *("{home}/.cache", "{home}/.npm/_cacache", "{home}/.npm/_logs", "{home}/.conda/pkgs", "{home}/.mamba/pkgs"),
    *("{home}/.cargo/registry", "{home}/.ccache", "{home}/.yarn/cache", "{home}/.nv/ComputeCache", "{home}/.triton"),
    *("/var/cache/apt", "/var/cache/dnf", "/var/cache/yum", "/var/cache/apk", "/var/lib/apt/lists"),
    *("/opt/conda/pkgs", "/opt/uv-cache", "/opt/pip-cache"),
)
LOGS = ("/var/log",)
TEMPORARY = ("/tmp", "/var/tmp", "/run", "/dev/shm")
BY_NAME = (".pem", ".key", ".p12", ".pfx", ".jks", ".keystore", ".der", ".ppk", ".asc", ".gpg")
NO_TEXT = (
    *(".pyc", ".so", ".a", ".o", ".h", ".hpp", ".gz", ".xz", ".bz2", ".zst", ".zip", ".whl", ".png", ".jpg", ".gif"),
    *(".ico", ".woff", ".woff2", ".ttf", ".mo", ".npy", ".npz", ".onnx", ".pt", ".bin"),
)
INDEXES = ("/var/lib/dpkg/info/", "/usr/share/zoneinfo/")  # of packages: no package owns them, and nobody writes there

Problems = List[Tuple[str, str]]
"""Path and what is wrong there."""


def homes() -> "List[str]":
    """Of people and of services; system accounts have folders of the system for homes."""
    named = {user.pw_dir for user in pwd.getpwall() if user.pw_uid in (0, os.getuid()) or 1000 <= user.pw_uid < 65534}
    named |= {user.pw_dir for user in pwd.getpwall() if user.pw_dir.startswith(("/var/lib/", "/srv/", "/opt/"))}
    return sorted(
        path.rstrip("/") for path in named | {"/root"} | set(glob.glob("/home/*")) if path.count("/") and path != "/"
    )


def owners() -> Records:
    """Every file that a package of the image names as its own."""
    records: Records = dict(of_debs())
    for prefix in dict.fromkeys(["/opt/conda", *glob.glob("/opt/conda/envs/*"), ARGS.get("prefix", "/opt/env")]):
        for package in conda_packages(prefix):
            records.update(package.files)
    for site in sites(ARGS.get("prefix", "/opt/env")):
        for one in distributions(site):
            records.update(of_wheel(one))
    return records


class Search:
    """One pass over the image."""

    def __init__(self, records: Records) -> None:
        self.records, self.homes = records, homes()
        self.tree = Tree()
        self.own = (*(home + "/" for home in self.homes), "/etc/", "/run/secrets/")
        self.problems: Problems = []
        self.of_packages: List[str] = []
        self.heaps: Dict[Tuple[str, str], List[int]] = {}
        self.read = 0
        self.large: List[str] = []
        caches = [c.format(home=home) for c in CACHES for home in self.homes]
        self.folders = [("cache", c + "/") for c in dict.fromkeys(caches)]
        self.folders += [("log", c + "/") for c in LOGS] + [("temporary", c + "/") for c in TEMPORARY]

    def run(self) -> None:
        for path, status in self.tree.walk():
            if stat.S_ISREG(status.st_mode) and status.st_size:
                self._file(path, status.st_size)
        for (kind, folder), sizes in sorted(self.heaps.items()):
            text = "{} has {} {} files ({:.1f} MB): remove them in the step that makes them"
            self.problems.append((folder, text.format(folder, len(sizes), kind, sum(sizes) / 1e6)))

    def _file(self, path: str, size: int) -> None:
        owned = path in self.records
        if os.path.basename(path) in HISTORIES and not owned:
            self.problems.append((path, "{} tells what was typed: remove it".format(path)))
        elif self._is_read(path, size, owned):
            self._content(path)
        if not owned and path not in ("/var/cache/apt/archives/lock", "/var/lib/apt/lists/lock"):
            heap = next((one for one in self.folders if path.startswith(one[1])), None)
            if heap and not (heap[1] == "/run/" and path.startswith("/run/secrets/")):
                self.heaps.setdefault((heap[0], heap[1].rstrip("/")), []).append(size)

    def _is_read(self, path: str, size: int, owned: bool) -> bool:
        name = path.rpartition("/")[2].lower()
        if path.startswith(INDEXES):
            return False
        if name.endswith(BY_NAME) or name.startswith("id_"):
            return True
        if name.endswith(NO_TEXT) or (owned and not path.startswith(self.own)):
            return False
        if size > LARGEST and not is_named(path):
            self.large.append(path)
            return False
        return True

    def _content(self, path: str) -> None:
        try:
            with open(path, "rb") as file:
                data = file.read(LARGEST)
        except OSError:
            self.tree.closed.append(path)
            return
        self.read += 1
        for hit in hits_in(path, data):
            told = told_of(path, hit)
            if path in self.records and self._is_published(path):
                self.of_packages.append("{}, of {}".format(told, self.records[path].owner))
            else:
                self.problems.append((path, told))

    def _is_published(self, path: str) -> bool:
        record = self.records[path]
        return not record.algorithm or digest_of(path, record.algorithm) == record.digest


def told_of(path: str, hit: Hit) -> str:
    """A secret by its kind and place, never by itself."""
    where = "{}:{}".format(path, hit.line) if hit.line else path
    return "{} in {}{}".format(hit.kind, where, " ({}...)".format(hit.start) if hit.start else "")


def variables() -> "Iterator[Tuple[str, str]]":
    """Of the image's configuration, which everybody can read who has the image."""
    for name, value in sorted(os.environ.items()):
        kinds = [hit.kind for hit in tokens_in(value.encode("utf-8", "surrogateescape"))]
        if kinds or is_secret_setting(name, value):
            yield name, "{} in the image's variable {}".format(kinds[0] if kinds else "a secret", name)


def main() -> None:
    search = Search(owners())
    search.run()
    problems, allowed = excused(list(variables()) + search.problems, ARGS.get("allow", {}))
    evidence: Dict[str, Any] = {
        "allowed": allowed,
        "of_packages": first(search.of_packages),
        "files": search.tree.seen,
        "read": search.read,
        "too_large_to_be_read": len(search.large),
        "too_large": first(search.large, 20),
        "closed": first(search.tree.closed, 20),
        "homes": search.homes,
    }
    if not problems and not (search.tree.whole and not search.tree.closed):
        unseen = search.tree.closed[:1] or ["the rest after a minute"]
        finish("ERROR", "not all of the image could be looked at: {}".format(unseen[0]), **evidence)
    conclude(
        first(problems),
        "no key, token, history, cache, log or temporary file among {} files, {} of them read{}{}".format(
            search.tree.seen,
            search.read,
            "; {} that packages publish".format(len(search.of_packages)) if search.of_packages else "",
            "; {} that the recipe allows".format(len(allowed)) if allowed else "",
        ),
        **evidence,
    )


main()
