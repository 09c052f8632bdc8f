"""Progress as bars on a terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, TaskID, TextColumn
from rich.progress import Progress as RichProgress
from rich.progress import Task as RichTask
from rich.text import Text

from builder.cli.amounts import amount_text, rate_text, summary, time_text
from builder.progress import Task, Unit


class _Moved(ProgressColumn):
    """`3.0 GB of 7.1 GB  592 MB/s  7 s left`, as far as it is known."""

    def render(self, task: RichTask) -> Text:
        unit: Unit = task.fields["unit"]
        parts = []
        if task.total:
            parts.append(f"{amount_text(task.completed, unit)} of {amount_text(task.total, unit)}")
        elif task.completed:
            parts.append(amount_text(task.completed, unit))
        if task.speed and unit == "bytes":
            parts.append(rate_text(task.speed, unit))
        if task.time_remaining and not task.finished:
            parts.append(f"{time_text(task.time_remaining)} left")
        elif task.elapsed is not None and not task.total:
            parts.append(time_text(task.elapsed))
        return Text("  ".join(parts), style="progress.data.speed")


class Bars:
    """Progress on a terminal. The display lives while a task does; an outermost task leaves one line behind."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._lock = threading.Lock()
        self._running = 0
        self._live: RichProgress | None = None

    @contextmanager
    def task(self, label: str, *, total: int | None = None, unit: Unit = "items") -> Iterator[Task]:
        """A bar for the time of the block."""
        live, outermost = self._enter()
        start = time.monotonic()
        task = _BarTask(live, live.add_task(escape(label), total=total, unit=unit, detail=""))
        end = "[red]stopped[/]"
        try:
            yield task
            end = "[green]done[/]"
        finally:
            live.remove_task(task.id)
            if outermost:
                spent = time.monotonic() - start
                self._console.print(f"{escape(label)}: {end}, {summary(task.done, unit, spent)}")
            self._leave(live)

    def say(self, text: str) -> None:
        """A line above the bars."""
        self._console.print(text, markup=False, soft_wrap=True)

    def _enter(self) -> tuple[RichProgress, bool]:
        with self._lock:
            self._running += 1
            if self._live is None:
                self._live = _display(self._console)
                self._live.start()
            return self._live, self._running == 1

    def _leave(self, live: RichProgress) -> None:
        with self._lock:
            self._running -= 1
            if not self._running:
                live.stop()
                self._live = None


def _display(console: Console) -> RichProgress:
    return RichProgress(
        SpinnerColumn(finished_text=" "),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        _Moved(),
        TextColumn("[dim]{task.fields[detail]}"),
        console=console,
        transient=True,
        redirect_stdout=False,  # results must not end on standard error
    )


class _BarTask:
    def __init__(self, live: RichProgress, task: TaskID) -> None:
        self._live, self.id, self.done, self._lock = live, task, 0, threading.Lock()

    def advance(self, amount: int) -> None:
        with self._lock:
            self.done += amount
        self._live.advance(self.id, amount)

    def detail(self, text: str) -> None:
        self._live.update(self.id, detail=escape(text))

    def total(self, amount: int) -> None:
        self._live.update(self.id, total=amount)
