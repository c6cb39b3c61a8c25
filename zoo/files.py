"""Files that are either whole or not there."""

import os
import tempfile
from pathlib import Path

from zoo.errors import EdgezooError


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write `content` so that a crash leaves the old file or the new one; makes the folder. One-line errors."""
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(partial, 0o644)
            os.replace(partial, path)
        except BaseException:
            Path(partial).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise EdgezooError(f"cannot write {path}: {error.strerror or error}") from None
