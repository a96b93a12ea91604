"""Runs in a process of its own: a Keras model from weights, through tinymlgen and TensorFlow Lite, and back.

    python -m offbeat.train.export.tflite_worker DIRECTORY...

DIRECTORY/in.npz has kernel0, bias0, … and two sets of inputs, float32 [W, F]: normal (to calibrate full int8) and
windows (to run). What it finds is written to out.npz and out.json beside it. TensorFlow's messages, its gigabyte of
memory and its signal handlers stay in this process.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .tflite_micro import quantized, restored

__all__ = ["array_of", "main"]

Floats = NDArray[np.float32]


def array_of(source: str) -> bytes:
    """Parse the C array that tinymlgen (or this module, in its form) wrote. Raises ValueError where there is none."""
    found = re.search(r"\{([^}]*)\}", source)
    if found is None:
        raise ValueError("there is no array in this source")
    return bytes(int(word, 16) for word in re.findall(r"0x[0-9a-fA-F]{2}", found.group(1)))


def _keras(weights: list[tuple[Floats, Floats]]) -> Any:
    import keras

    layers: list[Any] = [keras.Input((len(weights[0][0]),))]
    for i, (kernel, _) in enumerate(weights):
        layers.append(keras.layers.Dense(kernel.shape[1], activation=None if i == len(weights) - 1 else "relu6"))
    model = keras.Sequential(layers)
    for layer, (kernel, bias) in zip(model.layers, weights, strict=True):
        layer.set_weights([kernel, bias])
    return model


def _int8(model: Any, normal: Floats) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([row[None]] for row in normal)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def _run_litert(flat: bytes, inputs: Floats) -> tuple[Floats, dict[str, Any]]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=flat)
    interpreter.allocate_tensors()
    into, out = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    given = quantized(inputs, into)
    found = np.empty((len(inputs), out["shape"][1]), out["dtype"])
    for i, row in enumerate(given):
        interpreter.set_tensor(into["index"], row[None])
        interpreter.invoke()
        found[i] = interpreter.get_tensor(out["index"])[0]
    weights = [t for t in interpreter.get_tensor_details() if len(t["shape"]) == 2 and t["shape"][0] > 1]
    tensors = {t["dtype"].__name__ for t in weights}
    quantization = {name: [float(d["quantization"][0]), int(d["quantization"][1])] for name, d in
                    (("input", into), ("output", out))}  # fmt: skip
    return restored(found, out), {"weights": sorted(tensors), "quantization": quantization}


def _about(name: str, source: str, windows: Floats, outputs: dict[str, Floats]) -> dict[str, Any]:
    flat = array_of(source)
    outputs[f"{name}_litert"], found = _run_litert(flat, windows)
    found |= {"source": source, "bytes": len(flat)}
    found |= _run_tflm(name, flat, windows, outputs)
    return found


def _run_tflm(name: str, flat: bytes, windows: Floats, outputs: dict[str, Floats]) -> dict[str, Any]:
    """In a process of its own: where TFLM refuses a model, for instance one with hybrid layers, it may abort."""
    with tempfile.TemporaryDirectory() as place:
        np.savez(Path(place) / "in.npz", flat=np.frombuffer(flat, np.uint8), windows=windows)
        command = [sys.executable, "-m", "offbeat.train.export.tflite_micro", place]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            words = [line for line in done.stderr.splitlines() if "upport" in line] or ["without a reason"]
            return {"tflm": False, "arena": None, "refused": words[0][:200]}
        with np.load(Path(place) / "out.npz", allow_pickle=False) as made:
            outputs[f"{name}_tflm"] = made["outputs"]
            return {"tflm": True, "arena": int(made["arena"])}


def _in_the_same_form(flat: bytes, like: str) -> str:
    """The C source of another flat buffer in the form that tinymlgen gave to `like`."""
    words = [f"0x{byte:02x}" for byte in flat]
    rows = ",\n\t".join(", ".join(words[at : at + 12]) for at in range(0, len(words), 12))
    head = like[: like.index("const unsigned char")]
    name = "const unsigned char offbeat_int8[] DATA_ALIGN_ATTRIBUTE"
    return f"{head}{name} = {{\n\t{rows}\n}};\nconst int offbeat_int8_len = {len(flat)};"


def main(directory: Path) -> None:
    """Convert, parse back and run; see the module's own text."""
    from tinymlgen import port

    with np.load(directory / "in.npz", allow_pickle=False) as given:
        layers = sum(name.startswith("kernel") for name in given.files)
        weights = [(given[f"kernel{i}"], given[f"bias{i}"]) for i in range(layers)]
        normal, windows = given["normal"], given["windows"]
    model = _keras(weights)
    sources = {
        "float": port(model, optimize=False, variable_name="offbeat_float", pretty_print=True),
        "dynamic": port(model, optimize=True, variable_name="offbeat_dynamic", pretty_print=True),
    }
    sources["int8"] = _in_the_same_form(_int8(model, normal), sources["float"])
    outputs: dict[str, Floats] = {}
    found = {name: _about(name, source, windows, outputs) for name, source in sources.items()}
    packages = ("tinymlgen", "tensorflow", "keras", "tflite-micro", "ai-edge-litert")
    np.savez(directory / "out.npz", **outputs)  # type: ignore[arg-type]
    about = {"variants": found, "versions": {name: version(name) for name in packages}}
    (directory / "out.json").write_text(json.dumps(about), encoding="utf-8")


if __name__ == "__main__":
    for place in sys.argv[1:]:
        main(Path(place))
