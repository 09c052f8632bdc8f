"""`builder store verify | gc | export | import`: what was fetched, looked after."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from builder.models.lock import Artifact, Lock

app = typer.Typer(help="Verify, clean, export and import what was fetched.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
Locks = Annotated[
    list[str] | None, typer.Argument(metavar="NAME|LOCK", help="Recipes or lock files; all of recipes/ if none.")
]


@app.command()
def verify(
    remove: Annotated[bool, typer.Option("--remove", help="Remove what is damaged, to be fetched again.")] = False,
    as_json: Json = False,
) -> None:
    """Read every file of the store and compare it with its hash."""
    from builder.adapters.store.content import Store
    from builder.cli.display import progress
    from builder.errors import Fault, IntegrityError

    store = Store()
    with progress(as_json).task("verify", total=sum(e.size for e in store.entries()), unit="bytes") as task:
        verdict = store.verify(read=task.advance)
    for entry, _ in verdict.damaged if remove else ():
        store.remove(entry)
    if verdict.damaged:
        raise IntegrityError(
            f"{len(verdict.damaged)} of {verdict.files} files in the store are damaged" + "; removed" * remove,
            where=str(store.root),
            faults=tuple(
                Fault(what=e.path.name, where=str(e.path), seen=f"sha256 {seen}") for e, seen in verdict.damaged
            ),
            remedy="run `builder fetch`" if remove else "run `builder store verify --remove`, then `builder fetch`",
        )
    _tell(as_json, f"{verdict.files} files are what they should be", files=verdict.files, bytes=verdict.bytes)


@app.command()
def gc(
    locks: Locks = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    everything: Annotated[bool, typer.Option("--everything", help="Keep nothing, whatever the locks say.")] = False,
    as_json: Json = False,
) -> None:
    """Remove what no lock needs, unfinished downloads included."""
    from builder.adapters.store.content import Store

    keep = () if everything else [a for lock in _locks(locks) for a in (*lock.artifacts(), *_made_from(lock))]
    done = Store().gc({a.sha256 for a in keep}, dry_run=dry_run)
    _tell(
        as_json,
        f"{'would remove' if dry_run else 'removed'} {done.files} files ({done.partial} of them unfinished), "
        f"{done.bytes / 1e6:.1f} MB; kept {done.kept}",
        removed=done.files,
        bytes=done.bytes,
        unfinished=done.partial,
        kept=done.kept,
        dry_run=dry_run,
    )


@app.command(short_help="Write one archive with all that the locks need.")
def export(
    target: Annotated[Path, typer.Argument(help="The archive to write, a .tar.", dir_okay=False, metavar="FILE")],
    locks: Locks = None,
    as_json: Json = False,
) -> None:
    """Write one archive with all that the locks need, for a machine without internet."""
    from builder.adapters.store.archive import export_store
    from builder.adapters.store.content import Store
    from builder.cli.display import progress

    store, chosen = Store(), _locks(locks)
    files = [a for lock in chosen for a in (*lock.artifacts(), *(m for m in _made_from(lock) if store.has(m)))]
    total = sum(a.size for a in {a.store_path: a for a in files}.values())
    with progress(as_json).task("export", total=total, unit="bytes") as task:
        moved = export_store(store, files, target, heard=_to(task))
    images = sorted({lock.base.reference for lock in chosen if lock.base.kind == "image"})
    pull = "".join(f"\nthe base image {i} is not in it: bring it with `docker save` and `docker load`" for i in images)
    _tell(
        as_json,
        f"{target}: {moved.files} files, {moved.bytes / 1e6:.1f} MB{pull}",
        archive=str(target),
        files=moved.files,
        bytes=moved.bytes,
        images_not_included=images,
    )


@app.command("import", short_help="Bring the files of an archive into the store.")
def import_(
    archive: Annotated[Path, typer.Argument(help="What `export` wrote.", exists=True, dir_okay=False, metavar="FILE")],
    as_json: Json = False,
) -> None:
    """Bring the files of an archive into the store, each accepted by its hash."""
    from builder.adapters.store.archive import import_archive
    from builder.adapters.store.content import Store
    from builder.cli.display import progress

    with progress(as_json).task("import", total=archive.stat().st_size, unit="bytes") as task:
        moved = import_archive(Store(), archive, heard=_to(task))
    _tell(
        as_json,
        f"{moved.files} files, {moved.bytes / 1e6:.1f} MB; {moved.present} were there already",
        files=moved.files,
        bytes=moved.bytes,
        present=moved.present,
    )


def _locks(named: list[str] | None) -> tuple[Lock, ...]:
    """The locks named, by recipe or by file; all below recipes/ when none is."""
    from builder.errors import LockError
    from builder.models.lockfile import parse_lock

    folder = Path("recipes")
    paths = [Path(n) if n.endswith(".lock") else folder / f"{n}.lock" for n in named or ()]
    paths = paths or sorted(folder.glob("*.lock"))
    if not paths:
        raise LockError("there is no lock here", where=str(folder.absolute()), remedy="name lock files, or run `lock`")
    for path in paths:
        if not path.is_file():
            raise LockError("there is no such lock", where=str(path), remedy="run `builder lock`, or name another")
    return tuple(parse_lock(path.read_text(encoding="utf-8"), str(path)) for path in paths)


def _made_from(lock: Lock) -> list[Artifact]:
    """What the lock's derived files are made from: not needed for a build, but for making them again."""
    return [part for artifact in lock.artifacts() for part in lock.made_from(artifact)]


def _to(task: Any) -> Any:
    def heard(name: str, size: int) -> None:
        task.detail(name)
        task.advance(size)

    return heard


def _tell(as_json: bool, text: str, **fields: object) -> None:
    print(json.dumps(fields, indent=2) if as_json else text)
