"""How long `builder audit` reads 5,000 files of a large repository, made here, the same each time."""

from __future__ import annotations

import random
import sysconfig
import time
from pathlib import Path

import pytest

from builder.adapters.audit.run import Asked, run_audit
from builder.progress import Silent

pytestmark = pytest.mark.bench

FILES = 5000
BAR = 10.0
"""Seconds, of the processor: others may use the machine as well."""

JOB = """\
  job{0}:
    runs-on: x
    env: {{A: b}}
    steps:
      - uses: actions/checkout@v4
      - run: |
          set -e
          pip install -e .
          curl -fsSL https://h.example | sh
          pytest -k foo{0}
"""
OFF = "env: {NODE_TLS_REJECT_UNAUTHORIZED: 0}\n"
FUNCTION = """\
step_{0}() {{
    local name="$1" out
    if ! out=$(curl -fsSL "https://h.example/$name" | sed -n 's/^x-//p'); then
        echo "no $name" >&2; return 1
    fi
    for file in "$out"/*; do sort -k {0} "$file" > "$file.sorted"; done
}}
"""
STEP = "RUN apt-get update && \\\n    apt-get install -y p{0} && \\\n    curl -fsSL https://h.example/{0} | sh\n"
PACKAGE = """\
- name: package{0}
  version: 1.{0}.0
  manager: conda
  platform: linux-64
  dependencies: {{libgcc: '>=13', python: '>=3.9,<3.10.0a0'}}
  url: https://conda.example/conda-forge/linux-64/package{0}-1.{0}.0-h0.conda
  hash: {{md5: d41d8cd98f00b204e9800998ecf8427e}}
  category: main
"""


def many(text: str, count: int) -> str:
    return "".join(text.format(number) for number in range(count))


def modules() -> list[str]:
    """Python as people write it: the standard library's own, which is the same for the same Python."""
    folder = Path(sysconfig.get_path("stdlib"))
    return [path.read_text(encoding="utf-8", errors="replace") for path in sorted(folder.glob("*.py"))]


def tree(folder: Path) -> float:
    """Writes the files, as a repository of many services has them; gives their megabytes."""
    chance, python, size = random.Random(1), modules(), 0
    kinds = (
        (35, "m{}.py", lambda n: python[n % len(python)]),
        (15, "s{}.sh", lambda n: "#!/bin/bash\n" + many(FUNCTION, 30) + "curl -k https://h.example\n"),
        (12, "Dockerfile.{}", lambda n: "FROM x\n" + many(STEP, 30) + "RUN pip install --trusted-host h x\n"),
        (18, "c{}.yml", lambda n: "jobs:\n" + many(JOB, 25) + OFF * (n % 5 == 0)),
        (8, "requirements-{}.txt", lambda n: many("package{0}==1.{0}\n", 80)),
        (3, "m{}.mk", lambda n: "a:\n" + many("\tcc -o a{0} a{0}.c -k\n", 60)),
        (9, "d{}.env", lambda n: many("NAME_{0}=value\n", 40)),
    )
    for number in range(FILES):
        name, text = _text(kinds, chance.uniform(0, 100), number)
        path = folder / f"service{number // 50}" / name
        path.parent.mkdir(exist_ok=True)
        size += path.write_text(text, encoding="utf-8", errors="replace")
    size += (folder / "conda-lock.yml").write_text(
        "version: 1\nmetadata: {channels: [x]}\npackage:\n" + many(PACKAGE, 2500)
    )
    return size / 1e6


def _text(kinds, at, number):
    for share, name, text in kinds:
        if at < share:
            return name.format(number), text(number)
        at -= share
    return f"x{number}.md", "# x\n"


def test_five_thousand_files_are_read_within_ten_seconds(tmp_path, capsys):
    megabytes = tree(tmp_path)
    started, begun = time.perf_counter(), time.process_time()
    outcome = run_audit(Asked(paths=(tmp_path,)), Silent())
    wall, seconds = time.perf_counter() - started, time.process_time() - begun
    said = f"{outcome.files} files, {megabytes:.0f} MB in {wall:.1f} s ({seconds:.1f} s of the processor)"
    with capsys.disabled():
        print(f"\naudit: {said}")  # noqa: T201 - its purpose
    assert outcome.files > FILES - 10
    assert {f.rule for f in outcome.findings} == {"CURL001", "NODE001", "PIP001", "PY002"}
    assert seconds < BAR
