"""The same bypass in the many forms of files and commands in which it comes; with each form texts like it."""

from __future__ import annotations

from rule_examples import Example

FORMS: tuple[tuple[str, Example], ...] = (
    ("PIP001", Example("dev-requirements.txt", "--trusted-host a\n")),
    ("PIP001", Example("requirements/dev.in", "--trusted-host a\n")),
    ("PIP001", Example("requirements.txt", "--index-url https://h --trusted-host h\n", "1:23")),
    ("PIP001", Example(".env", "PIP_OPTS='--trusted-host h' # why\n")),
    ("NODE001", Example(".envrc", "export NODE_TLS_REJECT_UNAUTHORIZED=0\n", "1:8")),
    ("NODE001", Example(".env", 'export NODE_TLS_REJECT_UNAUTHORIZED="0" # c\n', "1:8")),
    ("GIT001", Example(".git/config", "[http]\n\tsslVerify = false\n", "2:2")),
    ("GIT001", Example(".gitconfig", "\ufeff[http]\n\tsslVerify = false\n", "2:2")),
    ("APT001", Example("apt.conf.d/99x", 'Acquire::https::Verify-Peer "false";\n')),
    ("NPM001", Example(".npmrc", "strict-ssl=false ; slow proxy\n")),
    ("NPM001", Example(".npmrc", "\ufeffstrict-ssl=false\n", "1:2")),
    ("CURL001", Example(".curlrc", "-sk\n")),
    ("CURL001", Example(".curlrc", "insecure = true\n")),
    ("CURL001", Example("dockerfile", "FROM x\nRUN curl -k u\n", "2:10")),
    ("CURL001", Example("install.sh.in", "curl -k u\n", "1:6")),
    ("CURL001", Example("bin/x", "\ufeff#!/bin/sh\ncurl -k u\n", "2:6")),
    ("UV001", Example("pyproject.toml", '[tool]\nuv.allow-insecure-host = ["a"]\n', "2:1")),
    ("WGET001", Example("Dockerfile", 'CMD ["/bin/sh","-c","set -e; wget --no-check-certificate u/[x],y"]\n', "1:35")),
    ("CURL001", Example("Dockerfile", 'RUN ["curl","-k","-H","Accept: text","https://h/x?a&b"]\n', "1:14")),
    ("CURL001", Example("Dockerfile", 'RUN ["bash","-c","curl -k \\"https://h/x\\""]\n', "1:24")),
    ("GIT001", Example("Dockerfile", "FROM x\nONBUILD ENV GIT_SSL_NO_VERIFY=1\n", "2:13")),
    ("CURL001", Example("Dockerfile", "FROM x\nONBUILD RUN curl -k u\n", "2:18")),
    ("CURL001", Example("Makefile", "CURL = curl\nx:\n\t$(CURL) -k u\n", "3:10")),
    ("CURL001", Example("Makefile", "CURL := curl -k\n")),
    ("CURL001", Example("Makefile", "a: b ; curl -k u\n", "1:13")),
    ("GIT001", Example("Makefile", "export GIT_SSL_NO_VERIFY = 1\n", "1:8")),
    ("GIT001", Example("Makefile", "export GIT_SSL_NO_VERIFY := 1\n", "1:8")),
    ("GIT001", Example("Makefile", "a: export GIT_SSL_NO_VERIFY = 1\n", "1:11")),
    ("CURL001", Example("justfile", "x:\n    @curl -k u\n", "2:11")),
    ("GIT001", Example("justfile", 'export GIT_SSL_NO_VERIFY := "1"\n', "1:8")),
    ("CURL001", Example("Jenkinsfile", "steps {\n  sh 'curl -k u'\n}\n", "2:12")),
    ("CURL001", Example("Jenkinsfile", 'steps {\n  sh(script: """\n    curl -k u\n  """)\n}\n', "3:10")),
    ("GIT001", Example("Jenkinsfile", "environment {\n  GIT_SSL_NO_VERIFY = '1'\n}\n", "2:3")),
    ("NODE001", Example("x.service", "[Service]\nEnvironment=NODE_TLS_REJECT_UNAUTHORIZED=0\n", "2:13")),
    ("CURL001", Example("x.service", "[Service]\nExecStart=/usr/bin/curl -k u\n", "2:25")),
    ("CURL001", Example("etc/cron.d/x", "*/5 * * * * root curl -k u\n", "1:23")),
    ("PIP001", Example("tox.ini", "[testenv]\ncommands =\n    pip install --trusted-host h x\n", "3:17")),
    ("PIP001", Example("tox.ini", "[testenv]\nsetenv =\n    PIP_TRUSTED_HOST = h\n", "3:5")),
    ("CURL001", Example("Vagrantfile", "c.vm.provision :shell, inline: <<-SH\n  curl -k u\nSH\n", "2:8")),
)

LIKE: tuple[Example, ...] = (
    Example("requirements.txt", "x --hash=sha256:a  # --trusted-host h\n-r trusted-host.txt\n"),
    Example(".env", 'NODE_TLS_REJECT_UNAUTHORIZED="1" # "0"\n'),
    Example(".curlrc", "# -k\n-o k\nuser-agent = insecure\n"),
    Example("Makefile", "CURL = curl\nGIT_SSL_NO_VERIFY = 1\nx: curl -k\n\t$(CC) -k u\n\t@echo $(CURL) -k\n"),
    Example("Jenkinsfile", "echo 'curl -k'\n// sh 'curl -k u'\n"),
    Example("x.service", "[Unit]\nDescription=curl -k\n"),
    Example("etc/cron.d/x", "# 1 2 * * * curl -k\n"),
    Example("tox.ini", "[testenv]\ndescription = curl -k\n"),
    Example("Dockerfile", 'CMD ["echo","curl -k"]\nONBUILD LABEL a="curl -k"\n'),
)
