"""Loads plugins by pluggy from the entry points of group `conda`, as conda does. A stand-in of builder's tests."""

import functools
import logging
import os

import pluggy

hookspec = pluggy.HookspecMarker("conda")
hookimpl = pluggy.HookimplMarker("conda")


class CondaSpecs:
    @hookspec
    def conda_pre_commands(self):
        """Actions before commands."""

    @hookspec
    def conda_post_commands(self):
        """Actions after commands."""

    @hookspec
    def conda_auth_handlers(self):
        """Classes that get each prepared request."""


@functools.lru_cache(maxsize=None)  # noqa: UP033
def get_plugin_manager():
    manager = pluggy.PluginManager("conda")
    manager.add_hookspecs(CondaSpecs)
    if os.environ.get("CONDA_NO_PLUGINS", "false").lower() in ("1", "true", "yes"):
        return manager
    try:
        manager.load_setuptools_entrypoints("conda")
    except Exception:
        logging.getLogger(__name__).exception("Error while loading conda entry points")
    return manager


def invoke_pre_commands(command):
    for hooks in get_plugin_manager().hook.conda_pre_commands():
        for hook in hooks:
            if command in hook.run_for:
                hook.action(command)
