import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import optuna
import pytest

from search import SearchError
from search.storage import STUDY_NAME, open_storage, open_study, storage_url


def test_a_folder_becomes_a_database_and_a_url_stays(tmp_path):
    assert storage_url(tmp_path / "a") == f"sqlite:///{tmp_path}/a/study.db"
    assert storage_url("postgresql://host/db") == "postgresql://host/db"


@pytest.mark.parametrize("place", ["{}/folder", "sqlite:///{}/file.db", "journal://{}/logs/file.log"])
def test_a_study_is_found_again(tmp_path, place):
    place = place.format(tmp_path)
    study = optuna.create_study(study_name=STUDY_NAME, storage=open_storage(place))
    study.set_user_attr("settings", 1)
    assert open_study(place).user_attrs["settings"] == 1


def test_many_may_open_a_new_database_at_once(tmp_path):
    together = Barrier(6)

    def open_with_others(folder):
        together.wait()
        return open_storage(folder)

    with ThreadPoolExecutor(6) as pool:
        for turn in range(5):
            list(pool.map(open_with_others, [tmp_path / str(turn)] * 6))


def test_a_grpc_server_holds_a_study(tmp_path):
    port = 13_731
    script = (
        "from optuna.storages import RDBStorage, run_grpc_proxy_server as run\n"
        f"run(RDBStorage('sqlite:///{tmp_path}/s.db'), host='localhost', port={port})"
    )
    server = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    try:
        storage = None
        for _ in range(30):
            try:
                storage = open_storage(f"grpc://localhost:{port}")
                break
            except SearchError:
                time.sleep(1)
        optuna.create_study(study_name=STUDY_NAME, storage=storage)
        assert open_study(f"grpc://localhost:{port}").study_name == STUDY_NAME
    finally:
        server.kill()


@pytest.mark.parametrize(
    "place", ["nosuchdb://host/db", "postgresql://u@127.0.0.1:1/db", "sqlite:////proc/no/file.db", "grpc://nowhere"]
)
def test_what_cannot_be_opened_is_one_line(place):
    with pytest.raises(SearchError, match="cannot open the storage") as caught:
        open_storage(place)
    assert "\n" not in str(caught.value)


def test_a_password_is_not_told():
    with pytest.raises(SearchError, match=r"nosuchdb://me:\*\*\*@host:1/db") as caught:
        open_storage("nosuchdb://me:secret@host:1/db")
    assert "secret" not in str(caught.value)


def test_a_storage_without_a_search_does_not_tell_its_password(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "me:secret@host").mkdir()
    with pytest.raises(SearchError, match=r"journal://me:\*\*\*@host/log holds no search") as caught:
        open_study("journal://me:secret@host/log")
    assert "secret" not in str(caught.value)


def test_a_missing_driver_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SearchError, match=r"pip install 'edgezoo\[postgresql\]'"):
        open_storage("postgresql+psycopg://me@127.0.0.1:1/db")


def test_a_folder_without_a_search_says_so(tmp_path):
    with pytest.raises(SearchError, match="holds no search"):
        open_study(tmp_path)
    assert not list(tmp_path.iterdir())
