# The clock tells the time, the time zone is one that exists, and no file is newer than the lock's epoch.
#
# A container has its host's clock: a wrong one makes good certificates bad (FACTS 2), and bad ones good. It is no fault
# of the image: ERROR.
import os
import time
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from builder.checks._prelude import ARGS, conclude
    from builder.checks._tree import Tree, day, first, newer

YEAR = 31556952  # seconds
ZONES = "/usr/share/zoneinfo"


def host_fault(now: float, created: int) -> str:
    """What is wrong with the host's clock; empty when nothing is."""
    if now < created:
        text = "the clock says {}, which is before the image's newest part was published ({}): set the host's clock"
        return text.format(day(now), day(created))
    if now > created + 10 * YEAR:
        text = "the clock says {}, more than ten years after the image's newest part was published ({})"
        return text.format(day(now), day(created))
    return ticking()


def ticking() -> str:
    """Both clocks go forward, and by the same amount; else how they do not."""
    begun, steady = time.time(), time.monotonic()
    time.sleep(0.2)
    passed, real = time.time() - begun, time.monotonic() - steady
    return "" if abs(passed - real) < 5 else "the clock jumped by {:.0f} s while it was looked at".format(passed - real)


def zone_problem(name: "Optional[str]", local: str = "/etc/localtime") -> "Optional[str]":
    """The C library takes UTC, and says nothing, where a zone is asked for that it does not have."""
    if name:
        zone = name.lstrip(":")
        known = os.path.isfile(zone if zone.startswith("/") else os.path.join(ZONES, zone))
        if not known and "/" in zone:
            return "TZ is {}, and there is no such zone in {}: programs take UTC and say nothing".format(name, ZONES)
        return None
    if os.path.islink(local) and not os.path.exists(local):
        target = os.readlink(local)
        if os.path.basename(target) not in ("UTC", "UCT", "Universal", "Zulu"):
            return "{} leads to {}, which is not there: programs take UTC and say nothing".format(local, target)
    return None


def main() -> None:
    now = time.time()
    fault, zone = host_fault(now, int(ARGS.get("created", 0))), zone_problem(os.environ.get("TZ"))
    problems = [zone] if zone else []
    tree, epoch = Tree(), ARGS.get("epoch")
    late = newer(tree, int(epoch)) if epoch is not None else []
    if late:
        text = "{} files are newer than the lock's epoch ({}), {} for one: a step did not clamp its times"
        problems.append(text.format(len(late), day(int(epoch or 0)), late[0]))
    conclude(
        problems,
        "{} UTC, time zone {}; none of {} files is newer than {}".format(
            day(now), time.tzname[0], tree.seen, day(int(epoch or 0)) if epoch is not None else "now"
        ),
        unseen=fault or (tree.unseen() if epoch is not None else ""),
        now=int(now),
        zone=list(time.tzname),
        files=tree.seen,
        newer=first(late, 20),
        whole=tree.whole,
    )


main()
