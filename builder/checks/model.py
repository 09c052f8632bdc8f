# A deployment image's model: it is the one that was made, it answers here as it did there, it depends on what it is
# asked, it is as good as the recipe wants, and the image's own commands and server say the same.
import hashlib
import http.client
import json
import math
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any, Dict, List, Tuple

if TYPE_CHECKING:
    from builder.checks._onnx_file import int8_share
    from builder.checks._prelude import ARGS, conclude, finish, load

FOLDER, COMMANDS, PORT = "/opt/model", "/opt/builder/bin", 8080
AT_LEAST = ("sqnr_db", "centred_sqnr_db", "min_cosine", "agreement", "int8_weights")
AT_MOST = ("accuracy_drop", "size_ratio")
ALWAYS = ("sqnr_db", "int8_weights", "size_ratio")  # the others need classes, labels or more than one sample
TRACES = (b"/.builder", b"/opt/env", b"/tmp/", b"/home/", b"/root/")
MIN_SPREAD = 1e-3  # of the outputs' own size: an output that ignores its input gives less
REQUESTS = 100

problems: List[str] = []
seen: Dict[str, Any] = {}


def read(name: str) -> bytes:
    with open(os.path.join(FOLDER, name), "rb") as file:
        return file.read()


def the_manifest() -> "Dict[str, Any]":
    try:
        data = read("manifest.json")
        found: Dict[str, Any] = json.loads(data.decode("utf-8"))
        seen["manifest"] = hashlib.sha256(data).hexdigest()
        return dict(found, files=dict(found["files"]), quality=dict(found["quality"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        finish("FAIL", "{}/manifest.json cannot be read: {}".format(FOLDER, error))


def look_at_files(manifest: "Dict[str, Any]") -> None:
    """Each file is the one that was made, nothing else is there, and who runs the model may not change it."""
    recorded = manifest["files"]
    for name in sorted(set(os.listdir(FOLDER)) - set(recorded) - {"manifest.json"}):
        problems.append("{}/{} is not in the manifest".format(FOLDER, name))
    for name, entry in sorted(recorded.items()):
        try:
            digest = hashlib.sha256(read(name)).hexdigest()
        except OSError as error:
            problems.append("{}/{} cannot be read: {}".format(FOLDER, name, error.strerror))
            continue
        if digest != entry["sha256"]:
            text = "{}/{} is not what was made: its sha256 is {}..., the manifest says {}..."
            problems.append(text.format(FOLDER, name, digest[:12], entry["sha256"][:12]))
    for path in [FOLDER] + [os.path.join(FOLDER, name) for name in sorted(os.listdir(FOLDER))]:
        status = os.stat(path)
        if status.st_mode & 0o022 or (status.st_uid and status.st_uid == os.getuid()):
            problems.append("{} may be changed by who runs it".format(path))
    model = read("model.onnx") if "model.onnx" in recorded else b""
    problems.extend("model.onnx names {}".format(trace.decode()) for trace in TRACES if trace in model)
    seen["model"] = {"sha256": hashlib.sha256(model).hexdigest(), "bytes": len(model)}


def compare_with_recipe(manifest: "Dict[str, Any]") -> None:
    """It is the recipe's model, and what was measured of it passes the recipe's gates."""
    for key in ("name", "version", "threads"):
        if key in ARGS and manifest.get(key) != ARGS[key]:
            problems.append("the model's {} is {!r}, the recipe's {!r}".format(key, manifest.get(key), ARGS[key]))
    quality, gates = manifest["quality"], ARGS.get("gates") or {}
    seen.update(quality=quality, scheme=manifest.get("scheme"), tried=manifest.get("tried", []))
    if ARGS.get("scheme") == "none":
        return
    share = stored_share()
    if not share >= gates.get("int8_weights", 0):
        problems.append("{:.0%} of the weights are int8: {:.0%} are wanted".format(share, gates["int8_weights"]))
    for key in ALWAYS:
        if key in gates and key not in quality:
            problems.append("the manifest has no measured {}".format(key))
    for key, bound in sorted(gates.items()):
        value = quality.get(key, bound)
        if (key in AT_LEAST and not value >= bound) or (key in AT_MOST and not value <= bound):
            least = "at least" if key in AT_LEAST else "at most"
            problems.append("measured {} is {}: {} {} is wanted".format(key, value, least, bound))


def stored_share() -> float:
    """How much of the model really is int8, whatever the manifest says."""
    try:
        seen["int8_weights"] = int8_share(read("model.onnx"))
    except (OSError, IndexError, ValueError) as error:
        problems.append("model.onnx cannot be read: {}".format(error))
        seen["int8_weights"] = 1.0  # unknown, and told already
    return float(seen["int8_weights"])


class Model:
    """The model in this process, and what it is known to answer."""

    def __init__(self) -> None:
        numpy, runtime = load("numpy"), load("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        path = os.path.join(FOLDER, "model.onnx")
        self.session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        with numpy.load(os.path.join(FOLDER, "answers.npz"), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        self.inputs = {name[6:]: array for name, array in arrays.items() if name.startswith("input/")}
        self.wanted = {name[7:]: array for name, array in arrays.items() if name.startswith("output/")}
        self.here: Dict[str, Any] = {}
        self.numpy = numpy
        self.fixed = any(isinstance(one.shape[0], int) for one in self.session.get_inputs() if one.shape)
        seen["onnxruntime"] = runtime.__version__

    def one(self, at: int) -> "Dict[str, Any]":
        """A call's inputs: one sample, or all where the model says how many it takes."""
        return self.inputs if self.fixed else {name: array[at : at + 1] for name, array in self.inputs.items()}

    def answers(self) -> "Dict[str, Any]":
        names = sorted(self.wanted)
        number = 1 if self.fixed else len(next(iter(self.inputs.values())))
        calls = [self.session.run(names, self.one(at)) for at in range(number)]
        return {name: self.numpy.concatenate([call[at] for call in calls]) for at, name in enumerate(names)}

    def decibels(self, want: Any, have: Any) -> float:
        exact = want.astype("float64")
        noise, power = float(((exact - have) ** 2).sum()), float((exact**2).sum())
        return 200.0 if noise == 0 else 10 * math.log10(max(power, 1e-300) / noise)

    def spread(self, array: Any) -> float:
        """How much of its size an output changes with the sample."""
        values = array.astype("float64")
        return math.sqrt(float(((values - values.mean(0)) ** 2).sum()) / max(float((values**2).sum()), 1e-300))

    def milliseconds(self) -> float:
        names, feed = sorted(self.wanted), self.one(0)
        times: List[float] = []
        until = time.time() + 0.5
        while time.time() < until or len(times) < 5:
            begun = time.time()
            self.session.run(names, feed)
            times.append(time.time() - begun)
        return round(sorted(times)[len(times) // 2] * 1000, 4)


def answer(manifest: "Dict[str, Any]") -> "Model":
    """Runs the stored samples here."""
    try:
        model = Model()
        have = model.here = model.answers()
    except Exception as error:  # of onnxruntime's own kinds
        conclude(["the model does not run: {}".format(" ".join(str(error).split())[:300]), *problems], "", **seen)
    least = float(manifest.get("answers", {}).get("min_sqnr_db", 30))
    same, near = True, 200.0
    for name, want in sorted(model.wanted.items()):
        if have[name].shape != want.shape or have[name].dtype != want.dtype:
            problems.append("{} has the shape {}, the stored answer {}".format(name, have[name].shape, want.shape))
            continue
        same = same and have[name].tobytes() == want.tobytes()
        near = min(near, model.decibels(want, have[name]))
    if not near >= least:
        problems.append("the answers are not the stored ones: {:.1f} dB, at least {} are wanted".format(near, least))
    spreads = [model.spread(array) for array in have.values()]
    if not max(spreads) > MIN_SPREAD:
        problems.append("the model is dead: its outputs do not depend on its input")
    seen.update(bit_identical=same, answers_db=round(near, 1), spread=[round(one, 4) for one in spreads])
    seen.update(stored_answers=len(next(iter(model.wanted.values()))), ms=model.milliseconds())
    return model


def command(name: str, given: bytes = b"") -> "Tuple[int, str, float]":
    """Exit code, what it printed, and seconds, which are those of a cold start."""
    begun = time.time()
    try:
        done = subprocess.Popen(
            [os.path.join(COMMANDS, name)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    except OSError as error:
        return 127, "{}: {}".format(name, error.strerror), 0.0
    out, _ = done.communicate(given)
    return done.returncode, out.decode("utf-8", "replace").strip(), round(time.time() - begun, 3)


def run_commands(model: Model) -> None:
    code, said, seconds = command("selftest")
    seen["selftest_seconds"] = seconds
    if code:
        problems.append("selftest ends with {}: {}".format(code, said[-300:]))
    if seconds > float(ARGS.get("max_start_seconds", 10)):
        problems.append("selftest takes {} s".format(seconds))
    given = json.dumps({name: array.tolist() for name, array in model.one(0).items()})
    code, said, _ = command("predict", given.encode())
    try:
        outputs = json.loads(said)["outputs"]
        same = all(near(model, name, outputs[name]) for name in model.wanted)
    except (ValueError, KeyError, TypeError):
        same = False
    if code or not same:
        problems.append("predict ends with {} and does not give this model's answer: {}".format(code, said[-300:]))


def near(model: Model, name: str, given: Any) -> bool:
    """Whether an answer in JSON is what this process has for the first stored sample."""
    here = model.here[name] if model.fixed else model.here[name][:1]
    have = model.numpy.asarray(given, dtype=here.dtype).reshape(here.shape)
    return bool(model.decibels(here, have) >= 100)


def ready() -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
    try:
        connection.request("GET", "/v2/health/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def ask_server() -> "Tuple[int, bytes]":
    stored = json.loads(read("health.json").decode("utf-8"))
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
    try:
        connection.request("POST", stored["path"], json.dumps(stored["request"]), {"Content-Type": "application/json"})
        found = connection.getresponse()
        return found.status, found.read()
    finally:
        connection.close()


def serve() -> None:
    """Starts the server, asks it over loopback, and ends it as an engine does."""
    begun = time.time()
    server = subprocess.Popen([os.path.join(COMMANDS, "serve")], stdin=subprocess.DEVNULL)
    try:
        while not ready() and server.poll() is None and time.time() - begun < 60:
            time.sleep(0.05)
        seen["serving_seconds"] = round(time.time() - begun, 3)
        code, told, _ = command("healthcheck")
        if code:
            problems.append("the server is not healthy: {}".format(told))
            return
        times = []
        for _ in range(REQUESTS):
            asked = time.time()
            status, said = ask_server()
            times.append(time.time() - asked)
            if status != 200:
                problems.append("the server answers {}: {}".format(status, said[:200].decode("utf-8", "replace")))
                return
        seen["request_ms"] = round(sorted(times)[REQUESTS // 2] * 1000, 3)
        asked = time.time()
        server.send_signal(signal.SIGTERM)
        code = server.wait(timeout=10)
        seen["stop_seconds"] = round(time.time() - asked, 3)
        if code:
            problems.append("the server ends with {} on SIGTERM".format(code))
    except (OSError, ValueError, http.client.HTTPException, subprocess.TimeoutExpired) as error:
        problems.append("the server fails: {}".format(error))
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()


def main() -> None:
    manifest = the_manifest()
    look_at_files(manifest)
    compare_with_recipe(manifest)
    model = answer(manifest)
    run_commands(model)
    if ARGS.get("serve"):
        serve()
    elif command("healthcheck")[0]:
        problems.append("healthcheck fails: {}".format(command("healthcheck")[1][-300:]))
    quality = manifest["quality"]
    conclude(
        problems,
        "{}, {:,} bytes: {} stored answers {}, SQNR {} dB, {:.0f} % of the float model's size; {} ms a sample{}".format(
            manifest.get("scheme"),
            seen["model"]["bytes"],
            seen["stored_answers"],
            "bit for bit"
            if seen["bit_identical"]
            else "to {} dB (another processor's kernels)".format(seen["answers_db"]),
            quality.get("sqnr_db", "-"),
            100 * float(quality.get("size_ratio", 1)),
            seen["ms"],
            ", {} ms over HTTP".format(seen["request_ms"]) if "request_ms" in seen else "",
        ),
        **seen,
    )


main()
