"""The maker: same bytes twice, and what it refuses."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
import onnx
import pytest

from builder.serving import health, selftest
from builder.serving.job import read
from builder.serving.model import RefusedError

if TYPE_CHECKING:
    from conftest import Workshop


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_two_runs_give_the_same_bytes(workshop: Workshop, made: Path, tmp_path: Path) -> None:
    """Though Python orders its sets differently, and everything lies elsewhere."""
    done = workshop.make(tmp_path / "other", hash_seed="7")
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "other") == contents(made)


def test_the_manifest_names_every_file_with_its_hash(made: Path) -> None:
    manifest = json.loads((made / "manifest.json").read_bytes())
    have = {name: hashlib.sha256(data).hexdigest() for name, data in contents(made).items() if name != "manifest.json"}
    assert {name: entry["sha256"] for name, entry in manifest["files"].items()} == have
    assert set(have) == {"model.onnx", "answers.npz", "health.json", "settings.json", "model-settings.json"}


def test_the_manifest_says_what_was_measured(made: Path) -> None:
    manifest = json.loads((made / "manifest.json").read_bytes())
    assert manifest["scheme"] == manifest["tried"][-1]["scheme"]
    assert manifest["quality"]["sqnr_db"] >= 20
    assert manifest["quality"]["int8_weights"] == 1.0
    assert manifest["quality"]["size_ratio"] <= 0.35
    assert manifest["quality"]["samples"] == 128
    assert manifest["inputs"] == [{"name": "measured", "dtype": "float32", "shape": ["batch", 16]}]
    assert "seconds" not in json.dumps(manifest)


def test_nothing_of_where_and_how_it_was_made_is_in_the_model(made: Path) -> None:
    data = (made / "model.onnx").read_bytes()
    for trace in (b"/secret", b"noon", b"line 12", b"_quantized", b"_scale", b"onnx.quant"):
        assert trace not in data
    model = onnx.load_from_string(data)
    assert (model.producer_name, model.producer_version) == ("builder", "")
    assert [entry.domain for entry in model.opset_import] == [""]


def test_a_model_that_is_not_served_has_no_settings(workshop: Workshop, tmp_path: Path) -> None:
    done = workshop.make(tmp_path / "out", serve=False, scheme="none")
    assert done.returncode == 0, done.stderr
    assert set(contents(tmp_path / "out")) == {"model.onnx", "manifest.json", "answers.npz"}
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert (manifest["scheme"], manifest["tried"], manifest["quality"]["size_ratio"] > 0.9) == ("none", [], True)


def test_no_configuration_that_passes_is_a_table_and_exit_code_1(workshop: Workshop, tmp_path: Path) -> None:
    done = workshop.make(tmp_path / "out", gates={"sqnr_db": 150})
    assert done.returncode == 1
    assert "make_model: no int8 form of the model passes its gates" in done.stderr
    assert "static int8 entropy" in done.stderr
    assert "the bound is 150" in done.stderr
    assert not (tmp_path / "out").exists()


REFUSED = {
    "dead": ({"factory": "recipe:dead"}, "the model ignores its input: "),
    "broken": ({"factory": "recipe:broken"}, "recipe:broken: recipe.py, line 55: KeyError: 'absent'"),
    "no such function": ({"factory": "recipe:nothing"}, "has no attribute 'nothing'"),
    "no such module": ({"calibration": "nowhere:samples"}, "No module named 'nowhere'"),
    "few samples": ({"calibration": "recipe:few"}, "recipe:few gives 10 samples, at least 32 are needed"),
    "no model": (
        {"factory": "recipe:samples"},
        "recipe:samples gives ndarray: a torch module or an ONNX model is needed",
    ),
    "other runtime": ({"onnxruntime": "1.2.3"}, "the image has onnxruntime 1.2.3, what would measure it "),
    "unknown scheme": ({"scheme": "int3"}, "scheme 'int3' is none of auto, none, static int8, "),
    "absent file": ({"factory": None, "onnx": "gone.onnx"}, "gone.onnx is no ONNX model: "),
    "new opset": (
        {"factory": "recipe:newer"},
        "recipe:newer has opset 99, the image's onnxruntime knows ",
    ),
    "absent samples": ({"calibration": "gone.npz"}, "make_model: gone.npz is not among the recipe's files"),
    "no archive": ({"calibration": "text.npz"}, "make_model: text.npz"),
    "objects": (
        {"calibration": "objects.npz"},
        "objects.npz: Object arrays cannot be loaded when allow_pickle=False: save arrays of numbers",
    ),
    "wrong width": (
        {"calibration": "recipe:narrow"},
        "what recipe:narrow gives does not fit the model: measured: expected float32 (samples, 16), seen float32 (128",
    ),
    "wrong rank": (
        {"calibration": "recipe:samples", "evaluation": "deep.npz"},
        "deep.npz gives does not fit the model: measured: expected float32 (samples, 16), seen float32 (64, 1, 16)",
    ),
    "fractions for numbers": (
        {"factory": "recipe:words", "calibration": "recipe:halves"},
        "what recipe:halves gives does not fit the model: words: expected int64 (samples, 4), seen float32 (64, 4)",
    ),
    "different lengths": (
        {"calibration": "recipe:ragged"},
        "recipe:ragged gives lists of different lengths: every sample has the same shape",
    ),
    "labels": (
        {"calibration": "recipe:one_hot"},
        "recipe:one_hot gives labels of shape (256, 4): a number for each sample is needed",
    ),
    "wrong samples": ({"calibration": "wrong.npz"}, "wrong.npz gives other; the model has measured"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_made_is_said_in_a_line(case: str, workshop: Workshop, tmp_path: Path) -> None:
    sources = workshop.root / "sources"
    numpy.savez(sources / "wrong.npz", other=numpy.zeros((64, 16), "float32"))
    numpy.savez(sources / "objects.npz", measured=numpy.array([[1], [1, 2]], dtype=object))
    numpy.savez(sources / "deep.npz", measured=numpy.ones((64, 1, 16), "float32"))
    (sources / "text.npz").write_text("no archive")
    changed, message = REFUSED[case]
    done = workshop.make(tmp_path / "out", **changed)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("make_model: ")
    assert message in done.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_shorter_whole_numbers_become_those_that_the_model_takes(workshop: Workshop, tmp_path: Path) -> None:
    done = workshop.make(tmp_path / "out", factory="recipe:words", calibration="recipe:short_numbers", scheme="none")
    assert done.returncode == 0, done.stderr
    with numpy.load(tmp_path / "out" / "answers.npz") as answers:
        assert answers["input/words"].dtype == "int64"


def test_the_size_that_passes_its_gate_is_the_shipped_model_s(made: Path) -> None:
    manifest = json.loads((made / "manifest.json").read_bytes())
    (chosen,) = (row for row in manifest["tried"] if row["scheme"] == manifest["scheme"])
    fp32, int8 = manifest["quality"]["fp32_bytes"], (made / "model.onnx").stat().st_size
    assert chosen["size_ratio"] == manifest["quality"]["size_ratio"] == round(int8 / fp32, 3)


def test_a_folder_with_something_in_it_is_not_written_to(workshop: Workshop, made: Path) -> None:
    before = contents(made)
    done = workshop.make(made)
    assert (done.returncode, done.stderr) == (2, f"make_model: {made} is not empty\n")
    assert contents(made) == before


def test_samples_come_from_an_npz_file_as_well(workshop: Workshop, tmp_path: Path) -> None:
    random = numpy.random.RandomState(5)
    numpy.savez(workshop.root / "sources" / "right.npz", measured=random.randn(64, 16), labels=random.randint(0, 4, 64))
    done = workshop.make(tmp_path / "out", calibration="right.npz", gates={"accuracy_drop": 1, "agreement": 0})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["samples"] == 32
    assert "accuracy" in json.loads(done.stdout)


def test_a_model_that_takes_two_at_a_time_is_asked_so(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    done = workshop.make(out, factory="recipe:pairs")
    assert done.returncode == 0, done.stderr
    stored = json.loads((out / "health.json").read_bytes())
    assert stored["request"]["inputs"][0]["shape"] == [2, 16]
    assert len(stored["outputs"]["group"]) == 8
    monkeypatch.setenv("MODEL_FOLDER", str(out))
    assert selftest.main([]) == 0
    assert json.loads(capsys.readouterr().out)["answers"] == 16
    (out / "settings.json").unlink()
    assert health.main([]) == 0


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": ({"name": "a", "onnx": "m", "calibration": "c", "colour": 1}, "unknown key 'colour'"),
    "neither": ({"name": "a", "calibration": "c"}, "one of factory and onnx is needed"),
    "both": ({"name": "a", "factory": "f:g", "onnx": "m", "calibration": "c"}, "one of factory and onnx is needed"),
    "weights": ({"name": "a", "onnx": "m", "weights": "w", "calibration": "c"}, "weights are a factory's"),
    "no samples": ({"name": "a", "onnx": "m"}, "calibration is missing"),
    "kind": ({"name": "a", "onnx": "m", "calibration": "c", "seed": True}, "seed is True"),
    "gate": ({"name": "a", "onnx": "m", "calibration": "c", "gates": {"ms": 1}}, "gates: 'ms' is none of sqnr_db, "),
    "bound": ({"name": "a", "onnx": "m", "calibration": "c", "gates": {"sqnr_db": "9"}}, "gates: sqnr_db is '9'"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_of_the_job_is_named(case: str, tmp_path: Path) -> None:
    given, message = FAULTS[case]
    (tmp_path / "job.json").write_text(json.dumps(given))
    with pytest.raises(RefusedError, match=r"^job\.json: ") as raised:
        read(tmp_path / "job.json")
    assert message in str(raised.value)
