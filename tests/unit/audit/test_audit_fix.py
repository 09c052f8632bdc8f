"""`--fix`: the smallest change, comments kept, nothing that cannot be read, the same when done again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from form_examples import FORMS
from rule_examples import BROKEN

from builder.audit.examine import examine
from builder.audit.finding import Edit
from builder.audit.fix import applied, fix
from builder.audit.surroundings import Surroundings


def mended(path: str, text: str, around: Surroundings = Surroundings()) -> str:  # noqa: B008 - frozen
    return fix(path, text, examine(path, text, around=around), around=around).after


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        (
            ".condarc",
            "# mine\nchannels: [a] # x\nssl_verify: no # slow\n\n# end\n",
            "# mine\nchannels: [a] # x\n\n# end\n",
        ),
        (".condarc", "channels:\n- a\nssl_verify:\n", "channels:\n- a\n"),
        (".condarc", "{ssl_verify: false, channels: [a]}\n", "{ssl_verify: true, channels: [a]}\n"),
        (".condarc", '{"ssl_verify": "0"}', '{"ssl_verify": true}'),
        (".condarc", "x: &off false\nssl_verify: *off\n", "x: &off false\n"),
        (".condarc", "ssl_verify: &off false\nx: *off\n", "ssl_verify: &off false\nx: *off\n"),
        (".condarc", "a: b\r\nssl_verify: 0\r\nc: d\r\n", "a: b\r\nc: d\r\n"),
        (
            ".condarc",
            "channels:\n- http://mirrors.tuna.tsinghua.edu.cn/anaconda/pkgs/main # m\n- http://own.example/x\n",
            "channels:\n- https://mirrors.tuna.tsinghua.edu.cn/anaconda/pkgs/main # m\n- http://own.example/x\n",
        ),
        ("pip.conf", "[global]\ntrusted-host = a\n    b\n# c\ntimeout = 1\n", "[global]\n# c\ntimeout = 1\n"),
        ("requirements.txt", "--trusted-host a\nnumpy # n\n", "numpy # n\n"),
        (".gitconfig", "[http]\n\tsslVerify = no\n\tproxy = p\n", "[http]\n\tproxy = p\n"),
        (".curlrc", "silent\ninsecure\n", "silent\n"),
        (".npmrc", "a=b\nstrict-ssl=false", "a=b\n"),
        ("sources.list", "deb [trusted=yes] https://d x main\n", "deb https://d x main\n"),
        ("sources.list", "deb [trusted=yes arch=amd64] https://d x main\n", "deb [arch=amd64] https://d x main\n"),
        ("a.sh", "curl -fsSLk x # k\n", "curl -fsSL x # k\n"),
        ("a.sh", "curl   --insecure  x && wget --no-check-certificate y\n", "curl  x && wget y\n"),
        ("a.sh", "pip install \\\n  --trusted-host a \\\n  x\n", "pip install \\\n  x\n"),
        ("a.sh", "pip install x \\\n  --trusted-host a\necho\n", "pip install x\necho\n"),
        ("Dockerfile", "RUN pip install x \\\n  --trusted-host a\nCMD y\n", "RUN pip install x\nCMD y\n"),
        (
            "Dockerfile",
            "RUN pip install x \\\n # c\n  --trusted-host a\nCMD y\n",
            "RUN pip install x \\\n # c\n  --trusted-host a\nCMD y\n",
        ),
        ("a.sh", "conda config --set ssl_verify false\n", "conda config --set ssl_verify true\n"),
        ("a.sh", "git -c http.sslVerify=0 clone x\n", "git clone x\n"),
        ("Dockerfile", "FROM x\nENV GIT_SSL_NO_VERIFY=1\nRUN y\n", "FROM x\nRUN y\n"),
        ("Dockerfile", "ENV A=1 \\\n    GIT_SSL_NO_VERIFY=1 \\\n    B=2\n", "ENV A=1 \\\n    B=2\n"),
        ("Dockerfile", 'CMD ["curl", "-k", "https://x"]\n', 'CMD ["curl", "https://x"]\n'),
        (".env", "A=1\nUV_INSECURE_HOST=a\nB=2\n", "A=1\nB=2\n"),
        ("Dockerfile", 'ENV GOFLAGS="-mod=vendor -insecure" B=2\n', 'ENV GOFLAGS="-mod=vendor" B=2\n'),
        ("Dockerfile", "ENV CURL_OPTS=-fsSLk\n", "ENV CURL_OPTS=-fsSL\n"),
        ("Dockerfile", "FROM x\nENV CURL_OPTS=-k\n", "FROM x\n"),
        (
            ".env",
            'MAVEN_OPTS="-Dmaven.wagon.http.ssl.insecure=true -Xmx2g"\nPIP_OPTS="--no-cache-dir --trusted-host h"\n',
            'MAVEN_OPTS="-Xmx2g"\nPIP_OPTS="--no-cache-dir"\n',
        ),
        ("c.yml", 'command: [curl, -k, "u"] # c\n', 'command: [curl, "u"] # c\n'),
        ("c.yml", "args:\n  - curl\n  - -k\n  - u\n", "args:\n  - curl\n  - u\n"),
        ("c.yml", "args:\n  - curl # c\n  - -k\n", "args:\n  - curl # c\n  - -k\n"),
        ("c.yml", "args:\n  - sh\n  - -c\n  - curl -k u\n", "args:\n  - sh\n  - -c\n  - curl u\n"),
        ("c.yml", "args: [curl, -fsk, u]\n", "args: [curl, -fs, u]\n"),
        ("c.yml", "run: curl -k\n", "run: curl\n"),
        (
            ".yarnrc.yml",
            'enableStrictSsl: false\nnetworkSettings:\n  "*.h":\n    enableStrictSsl: false\n',
            'networkSettings:\n  "*.h":\n    enableStrictSsl: false\n',
        ),
        ("a.sh", "mamba install --offline x\n", "mamba install --offline x\n"),
        ("a.sh", "export PIP_OPTS='--trusted-host a --trusted-host b -q'\n", "export PIP_OPTS='-q'\n"),
    ],
)
def test_a_fix_is_the_smallest_change(path, before, after):
    assert mended(path, before) == after


def test_where_the_system_has_a_bundle_the_fix_names_it():
    around = Surroundings(bundle="/etc/ssl/certs/ca-certificates.crt")
    after = mended(".condarc", "a: 1\nssl_verify: false # why\n", around)
    assert after == "a: 1\nssl_verify: /etc/ssl/certs/ca-certificates.crt # why\n"


@pytest.mark.parametrize(
    "text", ["ssl_verify: false\nx:\n\t- a\n", "ssl_verify: false\n---\na: b\n", "a: [\nssl_verify: no\n"]
)
def test_a_file_that_cannot_be_read_is_left_alone(text):
    assert mended(".condarc", text) == text


def test_no_fix_is_promised_that_would_break_the_file():
    (finding,) = examine(".condarc", "ssl_verify: &off false\nx: *off\n")
    assert finding.edits == ()


def test_a_file_with_bytes_that_are_no_utf8_keeps_them():
    text = b"curl -k x # caf\xe9\n".decode("utf-8", "surrogateescape")
    assert mended("a.sh", text).encode("utf-8", "surrogateescape") == b"curl x # caf\xe9\n"


def test_what_has_no_safe_fix_stays_and_stays_a_finding():
    text = "channels: [http://own.example/x]\n"
    done = fix(".condarc", text, examine(".condarc", text))
    assert (done.after, done.gone, done.diff) == (text, (), "")


def test_no_fix_is_written_after_which_the_file_could_be_read_no_more():
    text = "command: [curl, -k, u]\n"
    (finding,) = examine("c.yml", text)
    hole = replace(finding, edits=(Edit(start=16, end=18),))  # `[curl, , u]` is no YAML
    assert fix("c.yml", text, [hole]).after == text


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("Dockerfile", "ENV PIP_INDEX_URL=http://own.example/simple\n"),
        ("Dockerfile", "ARG PIP_INDEX_URL=http://own.example/simple\nENV A=1 NPM_CONFIG_REGISTRY=http://own.example\n"),
        (".env", "PIP_EXTRA_INDEX_URL=http://own.example/simple\n"),
    ],
)
def test_an_index_is_never_taken_away_what_stood_there_would_come_from_elsewhere(path, text):
    assert examine(path, text)
    assert mended(path, text) == text


def test_an_exception_with_a_reason_is_not_mended():
    text = "curl -k https://x  # builder-audit: allow CURL001 the test server signs itself\n"
    assert mended("a.sh", text) == text


@pytest.mark.parametrize("example", [e for examples in BROKEN.values() for e in examples] + [e for _, e in FORMS])
def test_fixes_are_idempotent_and_what_they_mend_is_gone(example):
    before = examine(example.path, example.text)
    once = fix(example.path, example.text, before)
    again = fix(example.path, once.after, examine(example.path, once.after))
    assert again.after == once.after
    assert not [f for f in examine(example.path, once.after) if f.edits]
    assert {f.rule for f in once.gone} <= {f.rule for f in before}


def test_edits_are_made_from_the_end():
    assert applied("abcdef", [Edit(start=1, end=2, new="XX"), Edit(start=4, end=5)]) == "aXXcdf"
