"""Files that are either whole or not there."""

import errno
import os
import tempfile
from pathlib import Path

from zoo.errors import EdgezooError


def read_small(path: Path, most_bytes: int = 16 * 2**20) -> bytes:
    """Return the content of a file; raises OSError as for any that cannot be read where it has more bytes than that."""
    with path.open("rb") as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return content


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
