"""`predict`, `selftest` and `healthcheck` on a real model, and each way of breaking it."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest
from onnx import TensorProto, helper

from builder.serving import health, predict, selftest, serve
from builder.serving.files import runtime_files
from builder.serving.model import RefusedError

Folder = Callable[..., Path]


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """Gives a copy of the model's folder that the commands read, as it is or not served."""

    def copied(*, served: bool = True) -> Path:
        copy = Path(shutil.copytree(made, tmp_path / "model"))
        if not served:
            for name in ("settings.json", "model-settings.json", "health.json"):
                (copy / name).unlink()
            resigned(copy)
        monkeypatch.setenv("MODEL_FOLDER", str(copy))
        return copy

    return copied


def resigned(folder: Path, **changed: Any) -> None:
    """Makes the manifest agree with what lies beside it, so that hashes alone betray nothing."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    files = (path for path in folder.iterdir() if path.name != "manifest.json")
    manifest["files"] = {f.name: {"sha256": hashlib.sha256(f.read_bytes()).hexdigest()} for f in files}
    (folder / "manifest.json").write_text(json.dumps({**manifest, **changed}))


def examined(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    code = selftest.main([])
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, said


# --- predict


def predicted(data: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    (tmp_path / "input").write_bytes(data)
    assert predict.main([str(tmp_path / "input")]) == 0
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    return said


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    numpy.save(file, array)
    return file.getvalue()


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    numpy.savez(file, **arrays)
    return file.getvalue()


def test_every_form_of_a_sample_has_the_same_answer(
    folder: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with numpy.load(folder() / "answers.npz") as stored:
        sample, want = stored["input/measured"][:1], stored["output/group"][:1]
    forms = (
        json.dumps(sample.tolist()).encode(),
        json.dumps(sample[0].tolist()).encode(),
        json.dumps({"measured": sample.tolist()}).encode(),
        npy(sample),
        npy(sample[0].astype("float64")),
        npz(measured=sample),
    )
    for form in forms:
        said = predicted(form, tmp_path, capsys)
        assert said["model"] == "groups 1.0"
        numpy.testing.assert_array_equal(numpy.float32(said["outputs"]["group"]), want)


def test_a_batch_has_an_answer_each(folder: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder()
    assert numpy.shape(predicted(npy(numpy.ones((7, 16))), tmp_path, capsys)["outputs"]["group"]) == (7, 4)


WRONG = {
    "shape": (b"[[1, 2, 3]]", "measured: expected float32 (batch, 16), seen float32 (1, 3)"),
    "rank": (npy(numpy.zeros((2, 2, 16))), "measured: expected float32 (batch, 16), seen float32 (2, 2, 16)"),
    "no sample": (npy(numpy.zeros((0, 16))), "measured: expected float32 (batch, 16), seen float32 (0, 16)"),
    "ragged": (b"[[1, 2], [3]]", "measured: expected float32 (batch, 16), seen lists of different lengths"),
    "text": (b'["a"]', "measured: expected float32 (batch, 16), seen what is no array of numbers"),
    "complex": (npy(numpy.zeros(16, "complex64")), "measured: expected float32 (batch, 16), seen complex64 (16)"),
    "name": (b'{"x": []}', "no input is called 'x': the model has measured float32 (batch, 16)"),
    "missing": (b"{}", "the input 'measured' is missing: expected float32 (batch, 16)"),
    "infinite": (npy(numpy.full(16, 1e300)), "measured: not every number is finite in float32"),
    "empty": (b" \n", "the input is empty: JSON, .npy or .npz is needed"),
    "garbage": (b"{", "the input is neither .npy nor .npz nor JSON: "),
    "cut": (npy(numpy.zeros(16))[:-9], "the input is a damaged .npy or .npz file: "),
    "pickle": (npy(numpy.array([{}])), "the input is a damaged .npy or .npz file: Object arrays cannot be loaded"),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_input_that_does_not_fit_says_what_would(case: str, folder: Folder, tmp_path: Path) -> None:
    folder()
    data, message = WRONG[case]
    (tmp_path / "input").write_bytes(data)
    with pytest.raises(RefusedError) as raised:
        predict.main([str(tmp_path / "input")])
    assert str(raised.value).startswith(message)


def test_an_absent_file_is_said(folder: Folder) -> None:
    folder()
    with pytest.raises(RefusedError, match=r"^/nowhere: No such file or directory$"):
        predict.main(["/nowhere"])


def test_the_model_says_what_it_takes(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    folder()
    predict.main(["--inputs"])
    assert json.loads(capsys.readouterr().out)["inputs"][0]["shape"] == ["batch", 16]


def test_threads_are_what_the_variable_says(folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder()
    (sample := tmp_path / "sample.npy").write_bytes(npy(numpy.ones(16)))
    monkeypatch.setenv("MODEL_THREADS", "many")
    with pytest.raises(RefusedError, match=r"^MODEL_THREADS is 'many': a whole number from 1 to 1024 is needed$"):
        predict.main([str(sample)])


# --- selftest


def test_a_sound_model_passes(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    folder()
    code, said = examined(capsys)
    assert (code, said["outcome"], said["problems"]) == (0, "PASS", [])
    assert (said["model"], said["files"], said["threads"], said["answers"]) == ("groups 1.0", 5, 1, 16)
    assert said["sqnr_db"] == 200


def test_one_changed_byte_of_the_model_fails(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    model = folder() / "model.onnx"
    data = bytearray(model.read_bytes())
    data[data.index(b"builder")] ^= 1  # the producer's name: it still loads, and answers as before
    model.write_bytes(data)
    code, said = examined(capsys)
    assert (code, said["sqnr_db"], len(said["problems"])) == (1, 200, 1)
    assert said["problems"][0].startswith("model.onnx has the hash ")


def test_wrong_known_answers_fail(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    copy = folder()
    with numpy.load(copy / "answers.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    arrays["output/group"][3] = -arrays["output/group"][3]
    numpy.savez(copy / "answers.npz", **arrays)
    resigned(copy)
    code, said = examined(capsys)
    assert (code, len(said["problems"])) == (1, 1)
    assert said["problems"][0].startswith("group is not as stored: ")


def test_a_dead_model_fails_though_every_hash_and_answer_agrees(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = folder()
    sides = [
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", w])] for n, w in (("measured", 16), ("group", 4))
    ]
    nothing = [
        onnx.numpy_helper.from_array(a, n) for n, a in (("w", numpy.zeros((16, 4), "f4")), ("b", numpy.ones(4, "f4")))
    ]
    graph = helper.make_graph([helper.make_node("Gemm", ["measured", "w", "b"], ["group"])], "dead", *sides, nothing)
    dead = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (copy / "model.onnx").write_bytes(dead.SerializeToString())
    with numpy.load(copy / "answers.npz") as stored:
        inputs = stored["input/measured"]
    numpy.savez(copy / "answers.npz", **{"input/measured": inputs, "output/group": numpy.ones((16, 4), "float32")})
    resigned(copy)
    code, said = examined(capsys)
    assert (code, said["sqnr_db"]) == (1, 200)
    assert said["problems"] == ["the outputs do not depend on the input"]


@pytest.mark.parametrize("name", ["model.onnx", "answers.npz", "settings.json"])
def test_a_missing_file_fails(name: str, folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    (folder() / name).unlink()
    code, said = examined(capsys)
    assert code == 1
    assert f"{name}: No such file or directory" in said["problems"]


def test_a_file_that_nobody_made_fails(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    (folder() / ".env").write_text("MLSERVER_HOST=evil")
    code, said = examined(capsys)
    assert (code, said["problems"]) == (1, [".env is not in the manifest"])


def test_no_manifest_fails(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = folder() / "manifest.json"
    manifest.unlink()
    code, said = examined(capsys)
    assert (code, said["problems"]) == (1, [f"no model: {manifest}: No such file or directory"])


def test_a_manifest_of_another_format_fails(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    copy = folder()
    resigned(copy, format=9)
    assert examined(capsys)[1]["problems"] == [f"{copy / 'manifest.json'} has format 9, this runtime reads 1"]


def test_a_manifest_with_other_shapes_fails(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    resigned(folder(), inputs=[{"name": "measured", "dtype": "float32", "shape": ["batch", 8]}])
    assert examined(capsys)[1]["problems"] == ["measured: expected float32 (batch, 8), seen float32 (1, 16)"]


def test_a_model_that_fails_says_so(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    copy = folder()
    model = onnx.load(copy / "model.onnx")
    model.graph.node.insert(0, helper.make_node("Reshape", ["measured", "fours"], ["folded"]))
    model.graph.node[1].input[0] = "folded"
    model.graph.initializer.append(onnx.numpy_helper.from_array(numpy.array([4, -1]), "fours"))
    onnx.save(model, copy / "model.onnx")
    resigned(copy)
    code, said = examined(capsys)
    assert (code, len(said["problems"])) == (1, 1)
    assert said["problems"][0].startswith("the model fails: ")


def test_a_file_that_is_no_model_fails(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    copy = folder()
    (copy / "model.onnx").write_bytes(b"nothing of the kind")
    resigned(copy)
    code, said = examined(capsys)
    assert (code, len(said["problems"])) == (1, 1)
    assert said["problems"][0].startswith("model.onnx cannot be loaded: ")


# --- healthcheck, of a model that is not served


def test_a_sound_model_is_healthy(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    folder(served=False)
    assert health.main([]) == 0
    assert capsys.readouterr().out == "healthy: groups 1.0 gives the stored answer\n"


def test_other_answers_are_unhealthy(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    copy = folder(served=False)
    with numpy.load(copy / "answers.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    numpy.savez(copy / "answers.npz", **{**arrays, "output/group": arrays["output/group"] + 9})
    assert health.main([]) == 1
    assert capsys.readouterr().out.startswith("unhealthy: group is not as stored: ")


def test_no_model_is_unhealthy(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MODEL_FOLDER", "/nowhere")
    assert health.main([]) == 1
    assert capsys.readouterr().out == "unhealthy: no model: /nowhere/manifest.json: No such file or directory\n"


# --- as a process


def command(name: str, folder: Path, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    lines = f"from builder.serving.command import run; from builder.serving.{name} import main; run({name!r}, main)"
    argv = [sys.executable, "-B", "-c", lines]
    return subprocess.run(
        argv, input=data, env={"MODEL_FOLDER": str(folder)}, capture_output=True, timeout=60, check=False
    )


def test_what_is_refused_is_one_line_and_exit_code_2(made: Path) -> None:
    done = command("predict", made, b"[[1]]")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"predict: measured: expected float32 (batch, 16), seen float32 (1, 1)\n"


def test_standard_input_is_read(made: Path) -> None:
    done = command("predict", made, json.dumps([1] * 16).encode())
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["model"] == "groups 1.0"


def test_what_was_not_made_to_be_served_is_not(folder: Folder) -> None:
    copy = folder(served=False)
    with pytest.raises(RefusedError, match=r"was made without `serve: true`: it has no settings\.json$"):
        serve.main([])
    assert Path.cwd() != copy


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_command_as_the_images_entry_has_it(number: signal.Signals, made: Path, tmp_path: Path) -> None:
    (entry,) = (s.content for s in runtime_files(python=sys.executable, serve=False) if s.path.endswith("/predict"))
    for script in runtime_files(python=sys.executable, serve=False):
        path = tmp_path / script.path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script.content)
    lines = entry.replace('"/opt/builder"', repr(f"{tmp_path}/opt/builder")).replace(
        "\nrun(", "\nprint(flush=True)\nrun("
    )
    argv = [sys.executable, "-IB", "-c", lines]
    with subprocess.Popen(argv, stdin=-1, stdout=-1, env={"MODEL_FOLDER": str(made)}) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it waits for its input from now on
        process.send_signal(number)
        assert process.wait(10) == 128 + number
