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
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        partial = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.chmod(0o644)  # mkstemp makes it private
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise EdgezooError(f"cannot write {path}: {error.strerror or error}") from None
