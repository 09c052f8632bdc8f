"""For each rule texts that break it, each with the place where it is told, and texts like them that do not."""

from __future__ import annotations

from typing import NamedTuple


class Example(NamedTuple):
    """A file, and where the rule is broken in it."""

    path: str
    text: str
    place: str = "1:1"


BROKEN: dict[str, tuple[Example, ...]] = {
    "CONDA001": (
        Example(".condarc", "channels: [conda-forge]\nssl_verify: off  # slow proxy\n", "2:1"),
        Example("home/.conda/condarc", "verify_ssl:\n"),
        Example("Dockerfile", "FROM x\nENV CONDA_SSL_VERIFY=''\n", "2:5"),
        Example("Dockerfile", "FROM x\nRUN apt-get update \\\n # why\n && conda config --set ssl_verify no\n", "4:18"),
        Example("a.sh", "echo hi\necho 'ssl_verify: false' >> ~/.condarc\n", "2:7"),
        Example("a.sh", "printf '%s\\n' 'channels:' '  - x' 'ssl_verify: 0' | sudo tee /opt/conda/.condarc\n", "1:36"),
        Example("a.sh", "cat > ~/.condarc <<'EOF'\nchannels: [x]\nssl_verify: ~\nEOF\n", "3:1"),
        Example("a.sh", "{ echo 'x: 1'; echo ssl_verify: false; } > /opt/conda/.condarc\n", "1:21"),
        Example("Dockerfile", "FROM x\nCOPY <<EOF /opt/conda/.condarc\nssl_verify: false\nEOF\n", "3:1"),
        Example("ci.yml", "job:\n  variables:\n    CONDA_SSL_VERIFY: 'false'\n", "3:5"),
        Example("ci.yml", "run: |\n  cat <<EOF > ~/.condarc\n  ssl_verify: false\n  EOF\n", "3:3"),
        Example(".mambarc", "ssl_verify: <false>\n"),
        Example("ci.yml", "steps:\n  - with: {condarc: 'ssl_verify: false'}\n", "2:22"),
    ),
    "CONDA002": (
        Example(".condarc", "a: 1\nssl_verify: fasle\n", "2:1"),
        Example(".condarc", "ssl_verify: true\nverify_ssl: true\n", "2:1"),
        Example(".condarc", "ssl_verify: true\nssl_verify: true\n", "2:1"),
        Example(".condarc", "a: 1\n---\nb: 2\n", "2:1"),
        Example("a.sh", "export CONDA_SSL_VERIFY=Truststore\n", "1:8"),
        Example("a.sh", "conda config --set ssl_verify Truststore\n", "1:14"),
    ),
    "CONDA003": (
        Example(".condarc", "channels:\n\t- conda-forge\n", "2:1"),
        Example(".condarc", 'pkgs_dirs:\n  - "C:\\Users\\me"\n', "2:10"),
    ),
    "CONDA004": (Example(".condarc", "a: 1\nSSL_VERIFY: /etc/x.pem\n", "2:1"),),
    "CONDA005": (Example(".condarc", "ssl_verify: $SITE_BUNDLE\n"),),
    "CONDA006": (
        Example("a.sh", "conda install -k -y numpy\n", "1:15"),
        Example("a.sh", "sudo -E /opt/conda/bin/conda create --insecure -n x\n", "1:37"),
        Example("a.sh", "micromamba install --ssl-verify false numpy\n", "1:20"),
    ),
    "CONDA010": (
        Example(
            ".condarc", "channels:\n  # http://of.a.comment\n  - http://mirrors.aliyun.com/anaconda/pkgs/main\n", "3:5"
        ),
        Example(".condarc", "custom_channels: {nvidia: 'http://c.example/cloud'}\n", "1:28"),
        Example("environment.yml", "name: x\nchannels:\n  - http://c.example/conda\n", "3:5"),
        Example("a.sh", "conda install -c http://c.example/x numpy\n", "1:18"),
        Example("a.sh", "conda config --add channels http://c.example/x\n", "1:29"),
        Example(".env", "CONDA_CHANNELS=http://c.example/x\n", "1:16"),
        Example("conda-lock.yml", "package:\n  - url: http://c.example/linux-64/x-1-0.conda\n", "2:10"),
        Example("env.yaml", "channels: [http://c.example/x]\ndependencies: [x]\n", "1:12"),
    ),
    "CONDA011": (
        Example(".condarc", "channels:\n  - https://mirrors.tuna.tsinghua.edu.cn/anaconda/pkgs/free/\n", "2:5"),
        Example("a.sh", "conda config --prepend channels https://repo.anaconda.com/pkgs/free\n", "1:33"),
    ),
    "CONDA012": (
        Example(".condarc", "channels: [conda-forge, defaults]\n", "1:25"),
        Example("environment.yml", "channels:\n  - defaults\n", "2:5"),
        Example("Dockerfile", "ENV CONDA_PLUGINS_AUTO_ACCEPT_TOS=yes\n", "1:5"),
    ),
    "URL001": (
        Example("pip.conf", "[global]\nindex-url = https://me:hunter2@pypi.example/simple\n", "2:13"),
        Example(".condarc", "channels:\n  - https://conda.example/t/ab-1234-5678/team\n", "2:5"),
        Example("a.sh", "git clone https://ghp_abcdefgh1234@git.example/x\n", "1:11"),
        Example("a.sh", "git clone https://u:s3cret@x@git.example/x\n", "1:11"),
        Example(".npmrc", "//n.example/:_authToken=npm_abcdefgh1234\n"),
        Example("a.sh", "git clone https://bot:ghp_abc@git.example/x\n", "1:11"),
        Example("Dockerfile", "FROM x\nRUN pip install -i https://u:s3cret@p.example/simple x\n", "2:20"),
    ),
    "URL002": (
        Example("pip.conf", "[global]\nindex-url = https://pypi.douban.com/simple\n", "2:13"),
        Example(".npmrc", "registry=https://registry.npm.taobao.org\n", "1:10"),
        Example(".condarc", "channels: [https://repo.continuum.io/pkgs/main]\n", "1:12"),
    ),
    "PIP001": (
        Example("environment.yml", "dependencies:\n  - pip:\n    - --trusted-host h\n", "3:7"),
        Example("play.yml", "- pip: {name: x, extra_args: --trusted-host h -q}\n", "1:30"),
        Example("map.yaml", "data:\n  pip.conf: |\n    [global]\n    trusted-host = a\n", "4:5"),
        Example(
            "init.yaml",
            "write_files:\n  - path: /etc/pip.conf\n    content: |\n      [global]\n      trusted-host=a\n",
            "5:7",
        ),
        Example("etc/pip.conf", "[global]\ntimeout = 3\ntrusted-host = a.example\n    b.example\n", "3:1"),
        Example("pip.ini", "[install]\ntrusted_host: a\n", "2:1"),
        Example("requirements-dev.txt", "numpy\n--trusted-host a.example\n", "2:1"),
        Example("Dockerfile", "RUN python3 -m pip install \\\n    --trusted-host=a x\n", "2:5"),
        Example("a.sh", "pip3.9 config set global.trusted-host a.example\n", "1:19"),
        Example("Dockerfile", "ENV A=1 \\\n    PIP_TRUSTED_HOST=a\n", "2:5"),
        Example("Makefile", "x:\n\t@pip install --trusted-host a x\n", "2:15"),
    ),
    "PIP002": (
        Example("pip.conf", "[global]\nextra-index-url =\n    http://mirrors.aliyun.com/pypi/simple\n", "3:5"),
        Example("requirements.txt", "-i http://p.example/simple\n", "1:4"),
        Example("a.sh", "PIP_INDEX_URL=http://p.example/simple pip install x\n", "1:15"),
        Example("uv.toml", 'index-url = "http://p.example/simple"\n', "1:14"),
        Example("pyproject.toml", '[project]\nurl = "x"\n[[tool.uv.index]]\nurl = "http://p.example/simple"\n', "4:8"),
    ),
    "GIT001": (
        Example(".gitconfig", '[user]\n\tname = x\n[http "https://h"]\n\tsslVerify = false\n', "4:2"),
        Example("a.sh", "git -c http.sslVerify=false clone https://x\n", "1:5"),
        Example("a.sh", "git config --global http.https://h/.sslverify no\n", "1:21"),
        Example("a.sh", "env GIT_SSL_NO_VERIFY=0 git clone https://x\n", "1:5"),
        Example("compose.yaml", "services:\n  x:\n    environment:\n      - GIT_SSL_NO_VERIFY=1\n", "4:9"),
    ),
    "NODE001": (
        Example("Dockerfile", "FROM x\nENV NODE_TLS_REJECT_UNAUTHORIZED 0\n", "2:5"),
        Example("a.sh", "NODE_TLS_REJECT_UNAUTHORIZED='0' node x.js\n"),
        Example("a.sh", "docker run -e NODE_TLS_REJECT_UNAUTHORIZED=0 x\n", "1:15"),
        Example("pod.yaml", "env:\n  - name: NODE_TLS_REJECT_UNAUTHORIZED\n    value: '0'\n", "2:5"),
        Example(".gitlab-ci.yml", "variables:\n  NODE_TLS_REJECT_UNAUTHORIZED:\n    value: '0'\n", "2:3"),
        Example("compose.yml", "services: {x: {build: {args: {NODE_TLS_REJECT_UNAUTHORIZED: 0}}}}\n", "1:31"),
        Example("ci.yml", "x: &e {NODE_TLS_REJECT_UNAUTHORIZED: 0}\nenv: {<<: *e}\n", "1:8"),
        Example("env/conda-meta/state", '{"env_vars": {"NODE_TLS_REJECT_UNAUTHORIZED": "0"}}', "1:15"),
        Example("x.py", "import os\nos.environ['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'\n", "2:1"),
    ),
    "NPM001": (
        Example(".npmrc", "a=b\nstrict-ssl=false\n", "2:1"),
        Example(".yarnrc", 'strict-ssl "false"\n'),
        Example(".yarnrc.yml", "enableStrictSsl: false\n"),
        Example("a.sh", "npm config set strict-ssl false\n", "1:16"),
        Example("a.sh", "npm install --strict-ssl=false\n", "1:13"),
        Example(".env", "npm_config_strict_ssl=false\n"),
    ),
    "NPM002": (
        Example(".npmrc", "@team:registry = http://n.example/\n", "1:18"),
        Example("a.sh", "npm config set registry http://n.example\n", "1:25"),
    ),
    "CURL001": (
        Example("a.sh", "curl -fsSLko out https://x\n", "1:6"),
        Example("a.sh", "if ! x=$(curl --insecure https://x); then :; fi\n", "1:15"),
        Example("Dockerfile", 'FROM x\nCMD ["curl", "-k", "https://x"]\n', "2:15"),
        Example("Dockerfile", "FROM x\nRUN <<EOF\nset -e\ncurl -k https://x | sh\nEOF\n", "4:6"),
        Example("Dockerfile", "RUN --mount=type=cache,target=/x bash -c 'cd /x; curl -k https://y'\n", "1:55"),
        Example("a.sh", "alias curl='curl -k'\n", "1:18"),
        Example("a.sh", "sudo -u me -E curl -k x\n", "1:20"),
        Example("a.sh", "su - me -c 'curl -k x'\n", "1:18"),
        Example("a.sh", 'ssh host "curl -k x"\n', "1:16"),
        Example("a.sh", "retry 3 curl -k x\n", "1:14"),
        Example("a.sh", "find . -exec curl -k {} \\;\n", "1:19"),
        Example("a.sh", "docker exec c curl -k x\n", "1:20"),
        Example("a.sh", 'CURL_OPTS="-s -k"; curl $CURL_OPTS x\n'),
        Example("a.sh", "f() { while ! x=`curl -k y`; do :; done; }\n", "1:23"),
        Example(".curlrc", "silent\ninsecure\n", "2:1"),
        Example("ci.yml", "steps:\n  - run: |\n      echo hi\n      curl -k https://x\n", "4:12"),
        Example("ci.yml", 'services: {x: {command: ["curl", "-k", "https://x"]}}\n', "1:35"),
        Example("ci.yml", "run: >-\n  curl\n  -k\n  https://x\n", "3:3"),
        Example("ci.yml", ".x: &x\n  - curl -k u\njob:\n  script: *x\n", "2:10"),
        Example("ci.yml", ".x: &x {NODE_TLS_REJECT_UNAUTHORIZED: '0'}\na: {script: [curl -k u]}\n", "2:19"),
        Example("compose.yml", 'services: {x: {healthcheck: {test: ["CMD", "curl", "-k", "u"]}}}\n', "1:53"),
        Example("compose.yml", 'services: {x: {healthcheck: {test: ["CMD-SHELL", "curl -k u"]}}}\n', "1:56"),
        Example("buildspec.yml", "phases:\n  install:\n    commands:\n      - curl -k u\n", "4:14"),
        Example("user-data.yaml", "#cloud-config\nruncmd:\n  - [curl, -k, u]\n  - curl x\n", "3:12"),
        Example(".pre-commit-config.yaml", "repos: [{hooks: [{id: x, entry: curl -k u}]}]\n", "1:38"),
        Example("play.yml", "- tasks:\n    - ansible.builtin.shell: curl -k u\n", "2:35"),
        Example("play.yml", "- command:\n    cmd: curl -k u\n", "2:15"),
        Example("package.json", '{\n\t"scripts": {\n\t\t"get": "curl -k u"\n\t}\n}\n', "3:16"),
        Example(".devcontainer/devcontainer.json", '{\n  // why\n  "postCreateCommand": "curl -k u"\n}\n', "3:30"),
        Example("ci.yml", 'services: {x: {command: ["curl","-k","https://x"]}}\n', "1:34"),
        Example(
            "a.yaml", "{{- if .x }}\ncommand:\n  {{- with .y }}\n  - curl\n  - -k\n  - {{ . }}\n{{ end }}\n", "5:5"
        ),
        Example("bin/get", "#!/usr/bin/env bash\ncurl -k https://x\n", "2:6"),
    ),
    "WGET001": (
        Example("a.sh", "sudo wget -q --no-check-certificate https://x\n", "1:14"),
        Example("a.sh", "wget -e check_certificate=off https://x\n", "1:6"),
        Example("etc/wgetrc", "check_certificate = off\n"),
    ),
    "APT001": (
        Example("etc/apt/apt.conf.d/99x", 'Acquire::https::Verify-Peer "false";\n'),
        Example("etc/apt/apt.conf.d/99x", 'Acquire {\n https {\n  h.example { Verify-Host "no"; };\n };\n};\n', "3:15"),
        Example("a.sh", "apt-get -o Acquire::https::Verify-Peer=false update\n", "1:9"),
        Example("a.sh", "apt-get update -oAcquire::https::Verify-Host=false\n", "1:16"),
    ),
    "APT002": (
        Example(
            "etc/apt/sources.list.d/x.list", "# x\ndeb [arch=amd64 trusted=yes] https://d.example x main\n", "2:17"
        ),
        Example("etc/apt/sources.list.d/x.sources", "Types: deb\nTrusted: yes\n", "2:1"),
        Example("etc/apt/apt.conf", 'APT { Get { AllowUnauthenticated "true"; }; };\n', "1:13"),
        Example("a.sh", "apt-get install -y --allow-unauthenticated x\n", "1:20"),
        Example("a.sh", "echo 'deb [trusted=yes] https://d.example x main' > /etc/apt/sources.list.d/x.list\n", "1:12"),
    ),
    "DNF001": (
        Example("etc/yum.repos.d/x.repo", "[x]\nbaseurl=https://x\nsslverify=0\n", "3:1"),
        Example("Dockerfile", "FROM x\nRUN dnf -y --setopt=sslverify=false install x\n", "2:12"),
        Example("a.sh", "yum install --setopt x.sslverify=0 x\n", "1:13"),
        Example("a.sh", "echo sslverify=0 >> /etc/yum.conf\n", "1:6"),
    ),
    "DNF002": (
        Example("etc/dnf/dnf.conf", "[main]\ngpgcheck=0\n", "2:1"),
        Example("a.sh", "yum -y --nogpgcheck install x\n", "1:8"),
    ),
    "UV001": (
        Example("uv.toml", 'allow-insecure-host = ["a.example"]\n'),
        Example("pyproject.toml", '[tool.uv]\nallow-insecure-host = ["a"]\n', "2:1"),
        Example("a.sh", "uv sync --allow-insecure-host a.example\n", "1:9"),
        Example(".env.ci", "UV_INSECURE_HOST=a\n"),
    ),
    "PY001": (
        Example("x.py", "import requests\nr = requests.get('https://x', timeout=3, verify=False)\n", "2:5"),
        Example("bin/x", "#!/usr/bin/env python3\nget(u, verify=False)\n", "2:1"),
        Example("x.py", "c = httpx.AsyncClient(verify=False)\n", "1:5"),
        Example("x.py", "self.session.verify = False\n"),
        Example(
            "ci.yml", "- shell: python {0}\n  run: |\n    import requests\n    requests.get(u, verify=False)\n", "4:5"
        ),
    ),
    "PY002": (
        Example("x.py", "\u00e9 = ssl._create_unverified_context()\n", "1:5"),
        Example("x.py", "c.check_hostname = False\n"),
        Example("x.py", "c.verify_mode = ssl.CERT_NONE\n"),
    ),
    "PY003": (Example("a.sh", "export PYTHONHTTPSVERIFY=0\n", "1:8"),),
    "MAMBA001": (Example("a.sh", "mamba install --offline x\n", "1:15"),),
    "DOCKER001": (
        Example("etc/docker/daemon.json", '{"debug": true, "insecure-registries": ["r:5000"]}\n', "1:17"),
        Example("etc/containers/registries.conf", '[[registry]]\nlocation = "r"\ninsecure = true\n', "3:1"),
        Example("a.sh", "skopeo copy --src-tls-verify=false docker://a docker://b\n", "1:13"),
    ),
    "CARGO001": (Example(".cargo/config.toml", '[source.x]\nregistry = "sparse+http://c.example/"\n', "2:13"),),
    "GO001": (
        Example("Dockerfile", "ENV GOINSECURE=*.example\n", "1:5"),
        Example("a.sh", "go env -w GOSUMDB=off\n", "1:11"),
    ),
    "MAVEN001": (
        Example("a.sh", "./mvnw -B -Dmaven.wagon.http.ssl.insecure=true package\n", "1:11"),
        Example(".mvn/maven.config", "-Dmaven.wagon.http.ssl.insecure=true\n"),
        Example("ci.yml", "env: {MAVEN_OPTS: '-Xmx1g -Dmaven.wagon.http.ssl.insecure=true'}\n", "1:7"),
    ),
    "AUDIT001": (Example("a.sh", "curl -k https://x  # builder-audit: allow CURL001\n", "1:22"),),
    "AUDIT002": (
        Example("daemon.json", '{"debug": tru}\n', "1:11"),
        Example("ci.yml", "x: 1\nrun: [curl -k x\n", "3:1"),
        Example("a.yaml", "{{- if }}\n- {{ x }}\nrun: curl -k x\n", "3:1"),
        Example("pyproject.toml", "[tool.uv]\nallow-insecure-host = a\n", "2:1"),
        Example("x.py", "import requests\nprint 'python 2', requests.get(u, verify=False)\n", "2:1"),
    ),
}

SOUND: tuple[Example, ...] = tuple(
    Example(path, text)
    for path, text in (
        (".condarc", "channels: [conda-forge]\nssl_verify: /etc/ssl/certs/ca-certificates.crt\n"),
        (".condarc", "# ssl_verify: false\n# - http://x.example/y\nssl_verify: truststore\n"),
        (".condarc", "channels:\n  - http://localhost:8000/x\n  - http://127.0.0.1/x\nx:\n  ssl_verify: false\n"),
        ("a.sh", "# curl -k https://x\necho 'curl -k https://x'; echo \"use --insecure\"\n"),
        ("a.sh", "curl -o -k https://x; curl -H -k x; curl -ok x; curl --keepalive-time 3 -K file x\n"),
        ("a.sh", "grep -k x; ls -k; sort -k 2; tar -xkf x; ssh-keygen -k; make -k\n"),
        ("a.sh", "curl -fsSL 'https://x?a=--insecure' -d '-k'\n"),
        ("a.sh", "timeout -k 5 10 curl x; apt-get install curl -k; docker run x sort -k 2; alias k='sort -k 2'\n"),
        ("a.sh", "conda run -n x sort -k 2 file\n"),
        ("a.sh", "conda install -c conda-forge mamba; mamba create -n x; conda install --offline x\n"),
        ("a.sh", "conda config --set ssl_verify true; conda config --set ssl_verify /etc/x.pem\n"),
        ("a.sh", "cat <<EOF\nssl_verify: false\ncurl -k x\nEOF\n"),
        ("a.sh", "echo 'ssl_verify: false' > notes.md\n"),
        ("a.sh", "echo 'ssl_verify: false' && echo 'channels: [x]' > ~/.condarc\n"),
        (
            "a.sh",
            "git -c http.sslVerify=true clone x; git config http.sslVerify; git log --grep http.sslVerify=false\n",
        ),
        ("a.sh", "NODE_TLS_REJECT_UNAUTHORIZED=1 node x; unset GIT_SSL_NO_VERIFY\n"),
        (
            "a.sh",
            "wget --check-certificate https://x; npm config set strict-ssl true; pip config get global.trusted-host\n",
        ),
        ("a.sh", "git clone https://git@git.example/x; curl https://u:$TOKEN@h.example/; curl https://u:${T}@h/\n"),
        ("Dockerfile", "FROM x\n# RUN curl -k https://x\nLABEL a='curl -k https://x'\nRUN echo curl -k\n"),
        ("Dockerfile", "FROM x\nARG GIT_SSL_NO_VERIFY\nENV PIP_TRUSTED_HOST= CONDA_SSL_VERIFY=true\n"),
        ("Dockerfile", "FROM x\nRUN cat <<EOF > /notes\ntrusted-host = a\nEOF\nRUN sort -k 1 x\n"),
        ("ci.yml", "run: |\n  cat <<EOF > ~/.condarc\n  ssl_verify: true\n  EOF\n  verify_ssl: no\n"),
        ("etc/apt/apt.conf", 'Acquire { https { Timeout "3"; }; };\nVerify-Peer "false";\n'),
        ("pip.conf", "[global]\nindex-url = https://p.example/\n[x]\n  http://p.example/\n"),
        ("pip.conf", "[global]\n# trusted-host = a\nindex-url = https://p.example/simple\n; trusted-host=b\n"),
        ("requirements.txt", "# --trusted-host a\nrequests==2 # -i http://x\nx @ https://h.example/x.whl\n"),
        (".gitconfig", "[http]\n\tsslVerify = true\n\t# sslVerify = false\n[core]\n\tsslVerify = false\n"),
        (".npmrc", "//n.example/:_authToken=${NPM_TOKEN}\n"),
        (".npmrc", "# strict-ssl=false\nstrict-ssl=true\nregistry=https://n.example/\n"),
        (".curlrc", "# insecure\nsilent\n"),
        ("wgetrc", "# check_certificate = off\ncheck_certificate = on\n"),
        ("etc/apt/apt.conf", '// Acquire::https::Verify-Peer "false";\n# x\nAcquire::https::Verify-Peer "true";\n'),
        (
            "etc/apt/sources.list",
            "# deb [trusted=yes] https://d x main\ndeb [signed-by=/k.gpg] https://d.example x main\n",
        ),
        ("uv.toml", "allow-insecure-host = []\n# allow-insecure-host = ['a']\n"),
        ("pyproject.toml", '[project.urls]\nurl = "http://home.example"\n[tool.other]\nallow-insecure-host = ["a"]\n'),
        ("daemon.json", '{"insecure-registries": []}\n'),
        ("etc/yum.repos.d/x.repo", "[x]\nsslverify=1\n# gpgcheck=0\nrepo_gpgcheck=0\n"),
        ("x.py", "# verify=False\nx = 'verify=False'\njwt.decode(t, verify=False)\nrequests.get(u, verify=ca)\n"),
        ("x.py", "print 'python 2', requests.get(u)\n"),
        ("ci.yml", "name: curl -k\nsteps:\n  - name: do not curl -k\n    run: curl https://x  # not -k\n"),
        ("ci.yml", "{{ template }}: [\nrun: sort -k x\n"),
        ("a.sh", "echo 'a: [curl -k' > ci.yml; echo ']' >> ci.yml\n"),
        ("chat.yml", "channels: [http://irc.example, defaults]\nurl: http://x.example/a\n"),
        ("ci.yml", "run: >-\n  echo\n  curl -k\n"),
        ("ci.yml", "with: {condarc: .ci/condarc}\ndata: {note: ssl_verify false}\n"),
        ("Makefile", "# curl -k\nx:\n\t@echo curl -k\n"),
        ("a.sh", "help='Options: --trusted-host HOST'; CURL_HELP='write curl --insecure'; CURL_OPTS='-o k'\n"),
        ("README.md", "curl -k https://x\nssl_verify: false\n"),
    )
)
