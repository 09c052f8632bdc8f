"""load: a recipe's text -> Recipe, or every fault of it with line and column."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping

from pydantic import ValidationError

from builder.checks.measures import measurable, unmeasured, who_measures
from builder.errors import RecipeError
from builder.models.recipe import TAG_FIELDS, Check, Recipe
from builder.stages.faults import Faults, nearest
from builder.stages.load_conda import conda_faults
from builder.stages.load_model import model_faults
from builder.stages.yamltext import Document, Path, Unreadable, read

Judge = Callable[[object], str | None]
"""Says what is wrong with an argument's value, as the end of the sentence `X ...`; None when nothing is."""
KnownChecks = Mapping[str, Mapping[str, Judge]]
"""The checks that exist and a judge of each of their arguments."""


def parse_recipe(
    text: str | bytes, where: str, *, bases: Collection[str] | None = None, checks: KnownChecks | None = None
) -> Recipe:
    """The recipe that a YAML text holds. `where` names the file in messages, as in `recipes/torch.yaml`.

    `bases` and `checks` are the names that exist; None leaves them unasked. Raises RecipeError with every fault that
    there is, the hardest first, and nothing else, whatever the text.
    """
    try:
        document = read(text)
    except Unreadable as end:
        faults = Faults(Document(), where)
        faults.trouble(end.trouble)
        raise _refused(faults, where) from None
    faults = Faults(document, where)
    recipe = _validated(document, faults)
    _names_exist(document, faults, bases, checks)
    conda_faults(document, faults)
    model_faults(document, faults)
    if recipe is not None and checks is not None:
        _tags_are_measured(recipe, faults)
    if recipe is not None and recipe.audit.allow:
        _rules_exist(recipe, faults)
    if recipe is None or faults.ordered():
        raise _refused(faults, where)
    return recipe


def _refused(faults: Faults, where: str) -> RecipeError:
    found = faults.ordered()
    count = "a fault" if len(found) == 1 else f"{len(found)} faults"
    return RecipeError(f"the recipe has {count}", where=where, faults=found)


def _validated(document: Document, faults: Faults) -> Recipe | None:
    for trouble in document.troubles:
        faults.trouble(trouble)
    if not isinstance(document.value, dict):
        what = "the file is empty" if document.value is None else "a recipe is a mapping of keys to values"
        faults.add(what, (), remedy="`builder new NAME` writes a recipe to start from")
        return None
    try:  # by way of JSON: only there a strict model takes a list for a tuple, and still no number for a text
        return Recipe.model_validate_json(json.dumps(document.value))
    except ValidationError as error:
        faults.pydantic(error.errors(include_url=False))
        return None


def _names_exist(document: Document, faults: Faults, bases: Collection[str] | None, checks: KnownChecks | None) -> None:
    """Bases and checks are looked up in the text, so that a recipe with other faults has these told as well."""
    recipe = document.value if isinstance(document.value, dict) else {}
    base = recipe.get("base")
    if bases is not None and isinstance(base, str) and base not in bases:
        near = nearest(base, bases)
        hint = f"did you mean `{near}`? " if near else ""
        faults.add("no such base", ("base",), remedy=f"{hint}`builder new --list-bases` shows them all")
    listed = recipe.get("checks")
    for index, entry in enumerate(listed if checks is not None and isinstance(listed, list) else ()):
        _check_exists(entry, ("checks", index), faults, checks or {})


def _tags_are_measured(recipe: Recipe, faults: Faults) -> None:
    """What a tag says of the image has to be what some check of the recipe measures."""
    known = {*TAG_FIELDS, *measurable(recipe)}
    for index, template in enumerate(recipe.tags):
        for name in unmeasured(recipe, template):
            near, check = nearest(name, known), who_measures(name, recipe)
            remedy = f"did you mean `{{{near}}}`?" if near else f"there are {', '.join(sorted(known))}"
            remedy = f"add the check `{check}`, which does" if check else remedy
            faults.add(f"no check of the recipe measures `{name}`", ("tags", index), remedy=remedy)


def _rules_exist(recipe: Recipe, faults: Faults) -> None:
    """What is allowed has to be something that the audit can find."""
    from builder.audit.rules import RULES  # noqa: PLC0415 - few recipes allow anything

    for index, allowed in enumerate(recipe.audit.allow):
        if allowed.rule not in RULES:
            near = nearest(allowed.rule, RULES)
            remedy = f"did you mean `{near}`?" if near else "`builder audit --rules` lists them"
            faults.add(f"no rule is named `{allowed.rule}`", ("audit", "allow", index, "rule"), remedy=remedy)


def _check_exists(entry: object, at: Path, faults: Faults, checks: KnownChecks) -> None:
    name, arguments, at_name, at_arguments = _check_of(entry, at)
    if name is None:
        return
    if name not in checks:
        near = nearest(name, checks)
        remedy = f"did you mean `{near}`?" if near else f"there are {', '.join(sorted(checks))}"
        faults.add(f"no check is named `{name}`", at_name, remedy=remedy, at_key=True)
        return
    known = checks[name]
    for argument, value in arguments.items():
        if argument not in known:
            near = nearest(argument, known)
            remedy = f"did you mean `{near}`?" if near else f"it takes {', '.join(sorted(known)) or 'none'}"
            faults.add(f"`{name}` has no argument `{argument}`", (*at_arguments, argument), remedy=remedy, at_key=True)
        elif wrong := known[argument](value):
            faults.add(f"`{argument}` {wrong}", (*at_arguments, argument))


def _check_of(entry: object, at: Path) -> tuple[str | None, Mapping[str, object], Path, Path]:
    """Name and arguments of a check in any of its three forms, and where these stand."""
    name: object = None
    arguments: object = {}
    at_name = at_arguments = at
    if isinstance(entry, str):
        name = entry
    elif isinstance(entry, dict) and "check" in entry:
        name, arguments, at_name, at_arguments = entry["check"], entry.get("with"), (*at, "check"), (*at, "with")
    elif isinstance(entry, dict) and len(entry) == 1:
        ((name, given),) = entry.items()
        arguments = {k: v for k, v in given.items() if k not in Check.OWN_KEYS} if isinstance(given, dict) else {}
        at_name = at_arguments = (*at, str(name))
    return (
        name if isinstance(name, str) else None,
        arguments if isinstance(arguments, dict) else {},
        at_name,
        at_arguments,
    )
