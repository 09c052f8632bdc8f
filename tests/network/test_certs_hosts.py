"""`builder certs pin HOST`, `builder certs expiring HOST` and `builder doctor HOST --recipe` against real servers."""

from __future__ import annotations

import json
import os
import socket
from datetime import timedelta
from pathlib import Path

import pytest
from chains import servers
from chains.factory import Made, make
from chains.presented import HERE
from chains.scenarios import NAME, leaf
from site_project import SiteProject, site_project
from typer.testing import CliRunner, Result

from builder.cli.app import app
from builder.models.pin import Pin
from builder.stages.load import parse_recipe
from builder.trust.certs import read
from builder.trust.pins import key_text

pytestmark = pytest.mark.network

ROOT = make("Site Root 1", ca=True, days=3000, organisation="Site")
NEXT = make("Site Root 2", ca=True, days=7000, organisation="Site")
OTHER = make("Other Root", ca=True, days=7000, organisation="Other")
MIDDLE = make("Site Intermediate", ROOT, ca=True, days=800)
LEAF = leaf(MIDDLE, days=60)
SENT = (LEAF, MIDDLE)
ALL = (ROOT, NEXT, OTHER)


def sha(made: Made) -> str:
    found = read(made.der)
    assert found
    return found.sha256


def key(made: Made) -> str:
    found = read(made.der)
    assert found
    return key_text(found)


def pins(port: int, *, root: Made = ROOT, backup: Made = NEXT, leaf: Made = LEAF) -> str:
    host = f"{NAME}:{port}"
    return (
        f"  pins:\n    - host: {host}\n      root: {sha(root)}\n      backup: {sha(backup)}\n      key: {key(leaf)}\n"
    )


def builder(*words: str, project: SiteProject | None = None, **environment: str) -> Result:
    """In this process: sixty of them would spend a minute on imports."""
    own = {"COLUMNS": "200", **(project.environment if project else {}), **environment}
    before = Path.cwd()
    os.chdir(project.root if project else before)
    try:
        return CliRunner().invoke(app, list(words), env=own)
    finally:
        os.chdir(before)


def bundle(folder: Path, *trusted: Made) -> str:
    path = folder / "trusted.pem"
    path.write_text("".join(c.pem for c in trusted))
    return str(path)


# pin


def test_pin_is_the_root_a_backup_of_the_same_organisation_and_the_key_ready_to_paste(tmp_path: Path) -> None:
    project = site_project(tmp_path, ALL)
    with servers.tls(SENT) as there:
        done = builder("certs", "pin", f"{NAME}:{there.port}", "--address", HERE, "--recipe", "site", project=project)
    assert done.exit_code == 0, done.stderr
    pasted = project.recipe.read_text().replace("trust:\n", done.stdout)
    (pin,) = parse_recipe(pasted, "r.yaml").trust.pins
    assert (pin.host, pin.root, pin.backup, pin.key) == (f"{NAME}:{there.port}", sha(ROOT), sha(NEXT), key(LEAF))
    assert "# CN=Site Root 1,O=Site, until " in done.stdout
    assert "the only other root of the same organisation" in done.stdout
    assert "an alarm, never an anchor" in done.stdout
    assert "note: whoever is between us and" in done.stderr
    assert sha(LEAF) not in done.stdout, "the leaf itself is pinned nowhere"


def test_pin_is_written_into_the_recipe_and_the_rest_stays(tmp_path: Path) -> None:
    project = site_project(tmp_path, ALL)
    before = project.recipe.read_text()
    with servers.tls(SENT) as there:
        words = ("certs", "pin", f"{NAME}:{there.port}", "--address", HERE, "--recipe", "site", "--write")
        done = builder(*words, project=project)
        again = builder(*words, "--json", project=project)
    after = project.recipe.read_text()
    assert (done.exit_code, done.stdout) == (0, f"recipes/site.yaml: pinned {NAME}:{there.port}\n")
    assert [line for line in before.splitlines() if line not in after] == []
    assert parse_recipe(after, "r.yaml").trust.pins[0].root == sha(ROOT)
    assert json.loads(again.stdout)["written"] == "recipes/site.yaml"
    assert after.count("host:") == 1, "a second time takes the place of the first"


def test_pin_of_a_host_that_does_not_verify_is_refused_with_the_doctor_s_cause_and_remedy(tmp_path: Path) -> None:
    with servers.tls((LEAF,)) as there:
        done = builder(
            "certs", "pin", f"{NAME}:{there.port}", "--address", HERE, "--bundle", bundle(tmp_path, OTHER), "--write",
            "--recipe", "x",
        )  # fmt: skip
        assert done.exit_code == 2, "one bundle or the other"
        done = builder("certs", "pin", f"{NAME}:{there.port}", "--address", HERE, "--bundle", bundle(tmp_path, OTHER))
    assert (done.exit_code, done.stdout) == (17, "")
    assert "who issued the certificate of app.site.test, is unknown to the bundle trusted.pem" in done.stderr
    assert "to do: get the certificate of CN=Site Intermediate" in done.stderr


def test_pin_of_a_host_that_cannot_be_asked_is_exit_code_5(tmp_path: Path) -> None:
    with socket.create_server((HERE, 0)) as closed:
        port = closed.getsockname()[1]
    done = builder("certs", "pin", f"{NAME}:{port}", "--address", HERE, "--bundle", bundle(tmp_path, ROOT))
    assert (done.exit_code, done.stdout) == (5, "")
    assert "the connection is refused" in done.stderr


def test_a_leaf_is_never_pinned(tmp_path: Path) -> None:
    own = make(NAME, ca=None)
    with servers.tls((own,)) as there:
        words = ("certs", "pin", f"{NAME}:{there.port}", "--address", HERE, "--bundle")
        self_signed = builder(*words, bundle(tmp_path, own))
    with servers.tls(SENT) as there:
        words = ("certs", "pin", f"{NAME}:{there.port}", "--address", HERE, "--bundle")
        issued = builder(*words, bundle(tmp_path, LEAF))
    assert (self_signed.exit_code, issued.exit_code) == (17, 17)
    assert "what is pinned has to outlive the certificate" in self_signed.stderr
    assert "a leaf is no anchor for most clients" in issued.stderr


def test_no_backup_is_an_error_that_says_how_to_name_one(tmp_path: Path) -> None:
    with servers.tls(SENT) as there:
        words = ("certs", "pin", f"{NAME}:{there.port}", "--address", HERE, "--bundle", bundle(tmp_path, ROOT, OTHER))
        done = builder(*words)
        named = builder(*words, "--backup", sha(OTHER).upper(), "--json")
        refused = [builder(*words, "--backup", text) for text in (sha(ROOT), sha(LEAF), "f" * 64, __file__)]
    assert done.exit_code == 3
    assert "no other root of site" in done.stderr
    assert "--backup SHA256|FILE" in done.stderr
    assert json.loads(named.stdout)["pin"]["backup"] == sha(OTHER)
    assert [one.exit_code for one in refused] == [3, 3, 3, 3]


def test_a_root_that_the_recipe_lacks_is_told_with_how_to_add_it_and_not_written(tmp_path: Path) -> None:
    """The system trusts it: SSL_CERT_FILE is the system's store for this test."""
    project = site_project(tmp_path, (OTHER,))
    system = {"SSL_CERT_FILE": bundle(tmp_path, ROOT, NEXT)}
    with servers.tls(SENT) as there:
        fixed = (f"{NAME}:{there.port}", "--address", HERE, "--recipe", "site")
        done = builder("certs", "pin", *fixed, project=project, **system)
        written = builder("certs", "pin", *fixed, "--write", project=project, **system)
        pem = builder("doctor", *fixed, "--pem", "--against", f"https://{HERE}:9", project=project, **system)
    assert done.exit_code == 0, done.stderr
    assert "warning: CN=Site Root 1,O=Site is not in the bundle of site: run `builder doctor" in done.stderr
    assert "let the recipe say `trust: {extra: [site/site-root-1.crt]}`" in done.stderr
    assert written.exit_code == 3
    assert "the pin is not written" in written.stderr
    assert "pins:" not in project.recipe.read_text()
    assert pem.stdout == ROOT.pem, "the command that the warning names gives that root"


# doctor --recipe


def doctor(port: int, project: SiteProject, *more: str) -> Result:
    fixed = ("--address", HERE, "--recipe", "site", "--against", f"https://{HERE}:9")
    return builder("doctor", f"{NAME}:{port}", *fixed, *more, project=project)


def test_doctor_holds_a_host_against_the_recipe_s_pins(tmp_path: Path) -> None:
    with servers.tls(SENT) as there:
        project = site_project(tmp_path, ALL, pins(there.port))
        good = doctor(there.port, project)
        as_json = doctor(there.port, project, "--json")
    assert good.exit_code == 0, good.stdout
    assert "As pinned: the chain ends in the pinned root, its key is the pinned one.\n" in good.stdout
    assert good.stdout.endswith("\nNot looked at: revocation (OCSP, CRLs).\n")
    (host,) = json.loads(as_json.stdout)["hosts"]
    assert (host["pin"]["root"], host["pin"]["key"], host["pin"]["alarm"]) == ("root", "same", False)
    assert host["not_looked_at"] == ["revocation (OCSP, CRLs)"]


@pytest.mark.parametrize(
    ("root", "alarm"),
    [(ROOT, "has another key than the pinned one"), (OTHER, "ends in CN=Other Root,O=Other (SHA-256 ")],
)
def test_doctor_raises_an_alarm_of_its_own_where_the_chain_verifies_and_is_not_what_was_pinned(
    root: Made, alarm: str, tmp_path: Path
) -> None:
    """Another root that everybody trusts: what a pin is for, and verification alone does not see."""
    with servers.tls((leaf(root), root)) as there:
        project = site_project(tmp_path, ALL, pins(there.port))
        done = doctor(there.port, project)
    assert done.exit_code == 18, done.stdout
    assert done.stdout.startswith(f"The certificate of {NAME} verifies.\nAlarm: ")
    assert alarm in done.stdout


def test_doctor_without_pins_says_that_it_did_not_look(tmp_path: Path) -> None:
    with servers.tls(SENT) as there:
        done = doctor(there.port, site_project(tmp_path, ALL))
    assert done.stdout.endswith("\nNot looked at: revocation (OCSP, CRLs); pins, of which none is given for it.\n")


# expiring


def expiring(*words: str, project: SiteProject | None = None) -> Result:
    return builder("certs", "expiring", *words, "--address", HERE, project=project)


def chain(days: float, *, begun: float = 30) -> tuple[Made, ...]:
    return (leaf(MIDDLE, days=days, begun=begun, key=LEAF.key), MIDDLE)


@pytest.mark.parametrize(("days", "code", "state"), [(60, 0, "fine"), (5, 15, "due"), (-1, 15, "expired")])
def test_expiring_tells_leaf_intermediate_and_root_of_a_host_apart(
    days: float, code: int, state: str, tmp_path: Path
) -> None:
    with servers.tls(chain(days)) as there:
        words = (f"{NAME}:{there.port}", "--bundle", bundle(tmp_path, ROOT))
        done, as_json = expiring(*words), expiring(*words, "--json")
    assert (done.exit_code, as_json.exit_code) == (code, code), done.stdout
    found = json.loads(as_json.stdout)
    (host,) = found["hosts"]
    rows = [(c["role"], c["state"]) for c in host["certificates"]]
    assert rows == [("leaf", state), ("intermediate", "fine"), ("root", "fine")]
    assert [c["role"] for cs in found["due"].values() for c in cs] == (["leaf"] if code else [])
    assert f"\n{state} " in done.stdout


@pytest.mark.parametrize(("within", "roles"), [("500d", ["leaf"]), ("900d", ["leaf", "intermediate"])])
def test_expiring_takes_a_users_own_span_for_hosts_too(within: str, roles: list[str], tmp_path: Path) -> None:
    with servers.tls(SENT) as there:
        done = expiring(f"{NAME}:{there.port}", "--bundle", bundle(tmp_path, ROOT), "--within", within, "--json")
    assert [c["role"] for cs in json.loads(done.stdout)["due"].values() for c in cs] == roles


def test_expiring_of_a_host_that_cannot_be_asked_is_exit_code_5_unless_another_is_due(tmp_path: Path) -> None:
    with socket.create_server((HERE, 0)) as closed:
        port = closed.getsockname()[1]
    roots = bundle(tmp_path, ROOT)
    alone = expiring(f"{NAME}:{port}", "--bundle", roots)
    with servers.tls(chain(1)) as there:
        both = expiring(f"{NAME}:{port}", f"{NAME}:{there.port}", "--bundle", roots)
    assert (alone.exit_code, both.exit_code) == (5, 15)
    assert "a host could not be asked" in alone.stderr
    assert "the connection is refused" in both.stdout


def test_expiring_of_a_chain_that_does_not_verify_is_exit_code_17(tmp_path: Path) -> None:
    with servers.tls(SENT) as there:
        other = bundle(tmp_path, OTHER)
        done = expiring(f"{NAME}:{there.port}", "--bundle", other)
    assert done.exit_code == 17
    assert f"`builder doctor {NAME}:{there.port} --bundle {other}` says what helps" in done.stderr.replace("\n", "")


def test_expiring_by_a_recipe_asks_its_pinned_hosts_and_a_new_key_is_no_expiry(tmp_path: Path) -> None:
    with servers.tls(chain(60)) as there:
        project = site_project(tmp_path, ALL, pins(there.port))
        good = expiring("--recipe", "site", project=project)
    with servers.tls((leaf(MIDDLE, days=60), MIDDLE)) as there:
        project.recipe.write_text(project.recipe.read_text().replace("app.site.test:", f"app.site.test:{there.port} #"))
        alarm = expiring("--recipe", "site", project=project)
        as_json = expiring("--recipe", "site", "--json", project=project)
    assert good.exit_code == 0, good.stderr
    assert "As pinned" in good.stdout
    assert alarm.exit_code == as_json.exit_code == 18
    assert "Alarm: " in alarm.stdout
    assert "error: a pinned host is not what was pinned" in alarm.stderr
    found = json.loads(as_json.stdout)
    assert (found["hosts"][0]["alarm"], found["due"]) == (True, {f"{NAME}:{there.port}": []})


def test_expiring_by_a_recipe_without_pins_wants_a_host(tmp_path: Path) -> None:
    done = expiring("--recipe", "site", project=site_project(tmp_path, ALL))
    assert done.exit_code == 2
    assert "site pins no host" in done.stderr


def test_a_clock_of_the_server_that_is_right_is_heard_before_an_expiry_is_told(tmp_path: Path) -> None:
    with servers.tls(chain(-3), drift=timedelta(days=-5)) as there:
        done = expiring(f"{NAME}:{there.port}", "--bundle", bundle(tmp_path, ROOT))
    assert done.exit_code == 17
    assert "The clock of this machine is 5 days ahead" in done.stdout


def test_words_are_files_recipes_and_hosts_in_that_order(tmp_path: Path) -> None:
    project = site_project(tmp_path, ALL)
    here = expiring("site", project=project)
    assert (here.exit_code, here.stdout.startswith("site: none of 3 is due")) == (0, True)
    gone = expiring("old/roots.pem", "missing.crt", project=project)
    assert gone.exit_code == 3
    host = expiring("no.such.invalid", project=project)
    assert host.exit_code == 5


def test_a_pin_model_takes_what_the_command_prints() -> None:
    assert Pin.model_validate({"host": NAME, "root": sha(ROOT), "backup": sha(NEXT), "key": key(LEAF)}).key_sha256
