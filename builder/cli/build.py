"""`builder build` and the verbs that it chains, each as a command of its own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from builder.cli import show

if TYPE_CHECKING:
    from builder.models.report import Report
    from builder.pipeline import Workplace

app = typer.Typer()
Verb = Literal["lock", "fetch", "render", "build", "check", "tag"]


def _recipes(incomplete: str) -> list[str]:
    """For a TAB."""
    return sorted(path.stem for path in Path("recipes").glob(f"{incomplete}*.yaml"))


def _plain(words: list[str] | str | None) -> Any:
    """A recipe's name, where a TAB completed the name of its file."""
    if isinstance(words, str):
        return words.removeprefix("recipes/").removesuffix(".yaml")
    return [_plain(word) for word in words or ()]


_Named: Any = {"metavar": "NAME", "callback": _plain, "autocompletion": _recipes}
Names = Annotated[list[str] | None, typer.Argument(help="Recipes, as in recipes/NAME.yaml.", **_Named)]
Name = Annotated[str, typer.Argument(help="The recipe, as in recipes/NAME.yaml.", **_Named)]
All = Annotated[bool, typer.Option("--all", help="Every recipe of recipes/.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, for machines.")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, max=64, help="Downloads at a time.")]
Engine = Annotated[str | None, typer.Option("--engine", help="The engine's address, instead of DOCKER_HOST's.")]
AllChecks = Annotated[bool, typer.Option("--all-checks", help="Carry no result over: ask everything again.")]


@app.command()
def build(
    names: Names = None,
    every: All = False,
    until: Annotated[Verb, typer.Option(help="The last verb.")] = "tag",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Run every step of the build anew.")] = False,
    all_checks: AllChecks = False,
    jobs: Jobs = 4,
    engine: Engine = None,
    as_json: AsJson = False,
) -> None:
    """Turn recipes into checked, tagged images: lock, fetch, render, build, check, tag.

    Each step says what it reused; where nothing changed, nothing runs. Of several recipes, one that fails stops no
    other: the exit code is the first failure's.

    Examples: `builder build quickstart`, `builder build --all --json`, `builder build mine --until check`.
    """
    from builder.cli.display import progress
    from builder.cli.errors import document, tell
    from builder.errors import BuilderError
    from builder.pipeline import VERBS, Options, foresee, run

    _use(engine)
    place = _place()
    options = Options(until=until, all_checks=all_checks, no_cache=no_cache, jobs=jobs)
    wanted = _wanted(place, names, every)
    place.load_all(wanted)
    if dry_run:
        show.foreseen([foresee(place, name) for name in wanted], VERBS[: VERBS.index(until) + 1], as_json)
        return
    done, failed = [], dict[str, BuilderError]()
    for name in wanted:
        try:
            outcomes = run(place, name, progress(as_json), options)
        except BuilderError as error:
            if len(wanted) == 1:
                raise
            failed[name] = error
            if not as_json:
                tell(error)
            continue
        done.append(outcomes)
        if not as_json:
            show.run(place, outcomes)
    if as_json:
        errors = [{"name": name, **document(error, error.exit_code)} for name, error in failed.items()]
        print(json.dumps({"images": [show.document(place, o) for o in done], "errors": errors}, indent=2))
    if failed:
        raise typer.Exit(next(iter(failed.values())).exit_code)


@app.command()
def lock(
    names: Names = None,
    every: All = False,
    upgrade: Annotated[
        list[str] | None,
        typer.Option("--upgrade", help="Move this package (or `base`, or `all`) to what is newest; repeatable."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Resolve every input to a name, a version, a size and a hash: recipes/NAME.lock.

    What is locked stays as it is unless the recipe changed or --upgrade names it.

    Examples: `builder lock mine`, `builder lock mine --upgrade certifi`, `builder lock mine --upgrade all`.
    """
    from builder.cli.display import progress
    from builder.pipeline import locked

    place, found = _place(), {}
    for name in _wanted(place, names, every):
        path = place.project.lock_path(name)
        is_first = not path.exists()
        result = locked(place, place.load(name), progress(as_json), upgrade=frozenset(upgrade or ()))
        found[name] = {"moved": [m.model_dump() for m in result.moved], "notes": list(result.notes)}
        if not as_json:
            for move in result.moved:
                print(f"  {move.name:<32} {move.old or 'new'} -> {move.new or 'gone'}")
            for note in result.notes:
                print(f"  note: {note}")
            said = "as it was" if not result.made else "made" if is_first else f"{len(result.moved) or 'nothing'} moved"
            print(f"{path}: {said}")
    if as_json:
        print(json.dumps({"locks": found}, indent=2))


@app.command()
def fetch(names: Names = None, every: All = False, jobs: Jobs = 4, as_json: AsJson = False) -> None:
    """Bring what the locks name into the store, from any mirror, accepted by hash alone.

    Example: `builder fetch --all --jobs 8`.
    """
    from builder.cli.display import progress
    from builder.pipeline import described

    place, found = _place(), {}
    for name in _wanted(place, names, every):
        now = described(place, name)
        summary = place.bring(now.loaded, now.lock, now.plan.artifacts(), progress(as_json), jobs)
        found[name] = summary.model_dump(mode="json")
        if not as_json:
            print(f"{name}: {summary.present} of {len(now.plan.artifacts())} artifacts were in the store")
            for line in summary.lines():
                print(f"  {line}")
    if as_json:
        print(json.dumps({"fetched": found}, indent=2))


@app.command()
def render(
    names: Names = None,
    every: All = False,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when images/ differs.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write images/NAME/ from recipe and lock: a Dockerfile, what it binds, a bake file.

    Examples: `builder render mine`, `builder render --all --check`.
    """
    from builder.pipeline import check_rendering, described

    place, found = _place(), {}
    every = every or (check and not names)
    for name in _wanted(place, names, every):
        if every and not place.project.lock_path(name).exists() and not place.project.rendering_path(name).exists():
            if not as_json:
                print(f"{place.project.recipe_path(name)}: not locked, so there is nothing to render")
            continue
        now = described(place, name)
        if check:
            check_rendering(place, now)
        found[name] = [] if check else list(place.project.write_rendering(now.rendered))
        if not as_json:
            folder = place.project.rendering_path(name)
            print(
                f"{folder}: " + (f"{len(found[name])} files written" if found[name] else "as its recipe and lock say")
            )
    if as_json:
        print(json.dumps({"written": found}, indent=2))


@app.command()
def check(
    name: Name,
    all_checks: AllChecks = False,
    mutate: Annotated[
        bool, typer.Option("--mutate", help="Break copies of the image, and see that each check catches its own.")
    ] = False,
    engine: Engine = None,
    as_json: AsJson = False,
) -> None:
    """Ask the last built image every question of its recipe.

    With --mutate, copies of the image are broken in all the ways that its checks are there to catch (an expired root,
    a part of cuDNN removed, `ssl_verify` off in every spelling, int8 that is none), and each check has to fail for
    that very reason; a check that was never seen to fail proves nothing. The copies go; report and names stay.

    Examples: `builder check mine --all-checks`, `builder check mine --mutate`.
    """
    from builder.cli.display import progress
    from builder.pipeline import checked, described, last_image, mutated

    _use(engine)
    place = _place()
    now = described(place, name)
    if mutate:
        show.mutated(name, mutated(place, now, last_image(place, now), progress(as_json)), as_json)
        return
    report = checked(place, now, last_image(place, now), progress(as_json), all_checks=all_checks)
    show.report(place, report, as_json)
    _fail_unless_passed(report)


@app.command()
def tag(name: Name, engine: Engine = None, as_json: AsJson = False) -> None:
    """Give the last checked image its names, if its report is whole and nothing in it failed.

    Example: `builder tag mine`.
    """
    from builder.pipeline import described, last_report, tagged

    _use(engine)
    place = _place()
    now = described(place, name)
    seal = tagged(place, now, last_report(place, name))
    if as_json:
        print(seal.model_dump_json(indent=2))
    else:
        print(f"{', '.join(seal.names)} -> {seal.image}")


@app.command()
def push(name: Name, engine: Engine = None, as_json: AsJson = False) -> None:
    """Upload the sealed image under each of its names.

    Example: `builder push mine`.
    """
    from builder.cli.display import progress
    from builder.pipeline import described, last_seal
    from builder.stages.tag import push as upload

    _use(engine)
    place = _place()
    digests = upload(last_seal(place, described(place, name)), place.engine, progress(as_json))
    if as_json:
        print(json.dumps({"pushed": digests}, indent=2))
    else:
        for reference, digest in digests.items():
            print(f"{reference}@{digest}")


def _place() -> Workplace:
    from builder.pipeline import Workplace

    return Workplace()


def _use(engine: str | None) -> None:
    if engine:
        os.environ["DOCKER_HOST"] = engine


def _wanted(place: Workplace, names: list[str] | None, every: bool) -> tuple[str, ...]:
    if every:
        return place.project.some_names()
    if not names:
        there = ", ".join(place.project.names()) or "none yet: `builder new NAME`"
        raise typer.BadParameter(f"name a recipe, or say --all (recipes here: {there})", param_hint="NAME")
    return tuple(dict.fromkeys(names))


def _fail_unless_passed(report: Report) -> None:
    from builder.errors import CheckFailed
    from builder.models.report import Outcome

    if report.with_outcome(Outcome.FAIL, Outcome.ERROR):
        raise typer.Exit(CheckFailed.exit_code)
