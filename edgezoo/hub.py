"""Artifacts to and from the Hugging Face Hub: the model file, and its card as JSON and for people."""

import hashlib
from pathlib import Path

from pydantic import ValidationError

from model_compression import DeployArtifact, ModelCard
from model_compression.export.verify import read_card
from zoo import EdgezooError
from zoo.files import write_atomic
from zoo.spec import one_line
from zoo.weights.hub import CARD_FILE, card_text, download, upload

_MODEL, _CARD = "model.onnx", "model.json"


def push_artifact(folder: Path, repo_id: str, *, private: bool = False) -> str:
    """Put model.onnx and model.json of `folder` into the Hub's repository `repo_id`; returns its address.

    Raises ArtifactError where there is no artifact, EdgezooError where it was changed, WeightsError as
    `zoo.push_model`.
    """
    path = folder / _MODEL
    card = read_card(path)
    try:
        model = path.read_bytes()
    except OSError as error:
        raise EdgezooError(f"cannot read {path}: {error.strerror}") from None
    _check(model, card, str(path))
    readme = card_text(repo_id, _facts(card), _use(repo_id))
    files = {_MODEL: model, _CARD: path.with_name(_CARD).read_bytes(), CARD_FILE: readme.encode()}
    return upload(repo_id, files, private=private)


def pull_artifact(repo_id: str, folder: Path, *, revision: str | None = None) -> DeployArtifact:
    """Write the artifact in the Hub's repository `repo_id` into `folder`, its bytes checked against its card.

    Raises EdgezooError where the card cannot be read or is of another file, WeightsError as `zoo.pull_model`.
    """
    text = download(repo_id, _CARD, revision=revision).read_bytes()
    try:
        card = ModelCard.model_validate_json(text)
    except ValidationError as error:
        raise EdgezooError(f"{repo_id}: {_CARD} is no model card: {one_line(error)}") from None
    model = download(repo_id, _MODEL, revision=revision).read_bytes()
    _check(model, card, repo_id)
    write_atomic(folder / _MODEL, model)
    write_atomic(folder / _CARD, text)
    return DeployArtifact(folder / _MODEL, card)


def _check(model: bytes, card: ModelCard, where: str) -> None:
    digest = hashlib.sha256(model).hexdigest()
    if digest != card.sha256:
        raise EdgezooError(
            f"{where}: sha256 {digest[:12]}..., the card says {card.sha256[:12]}...: the file was changed"
        )


def _facts(card: ModelCard) -> dict[str, str]:
    device, accuracy = card.device, card.test.of(card.device.dtype)
    return {
        "data": card.data,
        "classes": f"{len(card.classes)}: {', '.join(card.classes[:10])}{', ...' if len(card.classes) > 10 else ''}",
        "recipe": card.recipe,
        "number format": device.dtype,
        "test accuracy": "unknown" if accuracy is None else f"{accuracy:.1%}",
        "median latency": f"{card.measured_ms:.3f} ms, p10 {card.measured_p10_ms:.3f}, p90 {card.measured_p90_ms:.3f}",
        "measured on": f"{device.cpu}, {device.threads} threads, {device.runtime} {device.runtime_version}",
        "parameters": f"{card.params:,}",
        "multiply-adds": f"{card.macs / 1e6:.1f} M",
        "input": f"float32 (1, {card.input.channels}, {card.input.resolution}, {card.input.resolution}), "
        f"(pixel / 255 - {list(card.input.mean)}) / {list(card.input.std)}",
    }


def _use(repo_id: str) -> str:
    return (
        "import onnxruntime\nfrom huggingface_hub import hf_hub_download\n\n"
        f'session = onnxruntime.InferenceSession(hf_hub_download("{repo_id}", "{_MODEL}"))\n'
        "scores = session.run(None, {session.get_inputs()[0].name: image})[0]"
    )
