"""Where an Optuna study lives."""

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, GrpcStorageProxy, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from search.errors import SearchError
from zoo.errors import first_line

STUDY_NAME = "edgezoo"
_LOCK_SECONDS = 60  # several processes write into one SQLite file in turns
_ATTEMPTS, _RETRY_SECONDS = 5, 0.5


@contextlib.contextmanager
def storage_errors() -> Iterator[None]:
    """Turn what a storage raises, full, read-only, damaged or gone, into a SearchError of one line.

    A decorator too, for functions that work on a study from their beginning to their end.
    """
    try:
        yield
    except (StorageInternalError, SQLAlchemyError, RecursionError) as error:
        # Optuna says that something failed, its cause what; SQLAlchemy adds the statement to the database's own words
        cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        raise SearchError(f"the storage of the search failed: {first_line(getattr(cause, 'orig', cause))}") from error


def storage_url(storage: str | Path) -> str:
    """Return the URL of `storage`: itself if it is one, else that of a database in the folder of that name."""
    text = str(storage)
    if "://" in text:
        return text
    return f"sqlite:///{(Path(text) / 'study.db').resolve()}"


def open_storage(storage: str | Path) -> BaseStorage:
    """Return the storage of a folder (made if missing) or a URL: `journal://FILE`, `grpc://HOST:PORT`, or SQLAlchemy's.

    Raises SearchError in one line where it cannot be opened.
    """
    url = storage_url(storage)
    kind, _, rest = url.partition("://")
    try:
        if kind == "journal":
            Path(rest).parent.mkdir(parents=True, exist_ok=True)
            return JournalStorage(JournalFileBackend(rest))
        if kind == "grpc":
            host, _, port = rest.rpartition(":")
            proxy = GrpcStorageProxy(host=host, port=int(port))
            proxy.wait_server_ready(timeout=20)
            return proxy
        if kind == "sqlite":
            Path(rest.removeprefix("/")).parent.mkdir(parents=True, exist_ok=True)
        return optuna.storages.get_storage(_database(url))
    except (SQLAlchemyError, OSError, ValueError, ImportError, RuntimeError, TimeoutError) as error:
        lacking = isinstance(error, ImportError) and kind.startswith("postgresql")
        raise SearchError(
            f"cannot open the storage {_without_password(url)}: {first_line(getattr(error, 'orig', error))}"
            + ("; pip install 'edgezoo[postgresql]'" if lacking else "")
        ) from None


def _without_password(url: str) -> str:
    return re.sub(r"(://[^/@]*?):[^/]*@", r"\1:***@", url)


def _database(url: str) -> RDBStorage:
    options = {"connect_args": {"timeout": _LOCK_SECONDS}} if url.startswith("sqlite") else {}
    for _ in range(_ATTEMPTS):
        try:
            return RDBStorage(url, engine_kwargs=options)
        except SQLAlchemyError as error:
            if not isinstance(error, IntegrityError) and "already exists" not in str(error):
                raise
            time.sleep(_RETRY_SECONDS)  # another process is making the tables of a new database
    return RDBStorage(url, engine_kwargs=options)


def open_study(storage: str | Path) -> optuna.Study:
    """Return the search in `storage`; raises SearchError where there is none."""
    if "://" not in str(storage) and not (Path(storage) / "study.db").is_file():
        raise SearchError(f"{storage} holds no search (no study.db)")
    try:
        return optuna.load_study(study_name=STUDY_NAME, storage=open_storage(storage))
    except (KeyError, SQLAlchemyError, StorageInternalError) as error:
        where = _without_password(str(storage))
        raise SearchError(f"{where} holds no search: {first_line(getattr(error, 'orig', error))}") from None
