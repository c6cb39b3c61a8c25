"""Networks to and from the Hugging Face Hub: one safetensors file with the spec among its metadata, and a card.

Needs the extra `hub`. Who may write is told by `hf auth login` or HF_TOKEN, another server by HF_ENDPOINT.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.counting import complexity
from zoo.errors import first_line
from zoo.network import Network
from zoo.weights.errors import WeightsError
from zoo.weights.files import load_model, save_model

if TYPE_CHECKING:
    from huggingface_hub import HfApi

WEIGHTS_FILE, CARD_FILE = "model.safetensors", "README.md"


def push_model(
    network: Network, repo_id: str, *, metadata: Mapping[str, str] | None = None, private: bool = False
) -> str:
    """Put a network into the Hub's repository `repo_id` ("user/name"), made where it is missing; returns its address.

    Args:
        metadata: texts for the file and its card, as in `zoo.save_model` (data, accuracy, ...).
        private: of a new repository.

    Raises WeightsError in one line where the extra is missing, the Hub cannot be reached or does not let you write.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, WEIGHTS_FILE)
        save_model(network, path, metadata)
        card = model_card(repo_id, network, metadata or {})
        return upload(repo_id, {WEIGHTS_FILE: path.read_bytes(), CARD_FILE: card.encode()}, private=private)


def pull_model(repo_id: str, *, revision: str | None = None) -> Network:
    """Return the network in the Hub's repository `repo_id`, in evaluation mode; runs no code of it.

    Args:
        revision: a branch, tag or commit; the newest by default.

    Raises WeightsError in one line where the extra is missing, the Hub cannot be reached, or holds no such network.
    """
    return load_model(download(repo_id, WEIGHTS_FILE, revision=revision))


def model_card(repo_id: str, network: Network, metadata: Mapping[str, str]) -> str:
    """Return the Hub's README.md of a network: what it is, its figures, how to use it."""
    size = network.spec.resolution
    cost = complexity(network, (network.in_chans, size, size))
    kinds = ", ".join(sorted({block.kind for block in network.spec.blocks}))
    facts = {
        "blocks": kinds,
        "parameters": f"{cost.params:,}",
        "multiply-adds": f"{cost.macs / 1e6:.1f} M at {size} pixels",
        "input": f"{network.in_chans} x {size} x {size}",
        "classes": str(network.num_classes),
    }
    use = f"import zoo\n\nnetwork = zoo.pull_model({json.dumps(repo_id)})"
    return card_text(repo_id, facts | dict(metadata), use)


def card_text(repo_id: str, facts: Mapping[str, str], use: str) -> str:
    """Return a README.md for the Hub: `facts` as a table, and Python code that uses the repository."""
    rows = "\n".join(f"| {_cell(name)} | {_cell(value)} |" for name, value in facts.items())
    return (
        "---\nlibrary_name: edgezoo\npipeline_tag: image-classification\ntags:\n- edgezoo\n---\n\n"
        f"# {repo_id.rpartition('/')[2]}\n\n| | |\n|---|---|\n{rows}\n\n```python\n{use}\n```\n"
    )


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def upload(repo_id: str, files: Mapping[str, bytes], *, private: bool = False) -> str:
    """Put `files` into a repository in one commit, and make it where it is missing; returns its address."""
    with _hub(repo_id) as api:
        from huggingface_hub import CommitOperationAdd

        repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        operations = [CommitOperationAdd(name, content) for name, content in files.items()]
        api.create_commit(repo_id, operations, commit_message=f"{next(iter(files))} by edgezoo")
        return f"{api.endpoint}/{repo_id}"


def download(repo_id: str, name: str, *, revision: str | None = None) -> Path:
    """Return the path of a repository's file in the Hub's cache on this machine."""
    with _hub(repo_id, name, revision) as api:
        return Path(api.hf_hub_download(repo_id, name, revision=revision))


@contextlib.contextmanager
def _hub(repo_id: str, name: str = "", revision: str | None = None) -> "Iterator[HfApi]":
    """Yield what talks to the Hub, its warnings silenced; whatever fails is a WeightsError in one line."""
    try:
        from huggingface_hub import HfApi, errors
        from huggingface_hub.utils import logging
    except ModuleNotFoundError:
        raise WeightsError("the Hugging Face Hub needs: pip install 'edgezoo[hub]'") from None
    api, where = HfApi(endpoint=os.environ.get("HF_ENDPOINT")), f"{repo_id}@{revision}" if revision else repo_id
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # each retry is a warning
    try:
        yield api
    except errors.RevisionNotFoundError:
        raise WeightsError(f"the Hub's {repo_id} has no revision {revision!r}") from None
    except errors.RepositoryNotFoundError:
        raise WeightsError(
            f"the Hub has no {repo_id} that you may read; private ones want hf auth login or HF_TOKEN"
        ) from None
    except errors.RemoteEntryNotFoundError:
        raise WeightsError(f"the Hub's {where} holds no {name}: nothing of edgezoo") from None
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        hint = "; hf auth login, or set HF_TOKEN" if status in (401, 403) else ""
        raise WeightsError(f"the Hub refused {where}: {error.server_message or f'status {status}'}{hint}") from None
    except errors.HFValidationError as error:
        raise WeightsError(f"{repo_id!r} is no name of a repository: {first_line(error)}") from None
    # the HTTP library's own, which is another one from time to time
    except (errors.HTTPError, OSError) as error:  # pyright: ignore[reportPrivateImportUsage]
        raise WeightsError(f"cannot reach the Hub at {api.endpoint} for {where}: {_cause(error)}") from None
    finally:
        logging.set_verbosity(verbosity)


def _cause(error: BaseException) -> str:
    """Return the first cause of an error in a line: what failed below is more than that something did."""
    while error.__cause__ is not None:
        error = error.__cause__
    return first_line(error)
