import pytest

from zoo import EdgezooError
from zoo.files import write_atomic


def test_what_is_written_is_read(tmp_path):
    write_atomic(tmp_path / "new" / "file", "text")
    assert (tmp_path / "new" / "file").read_text() == "text"


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomic(path, "old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(EdgezooError, match="No space left on device"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EdgezooError, match="cannot write"):
        write_atomic(tmp_path / "file" / "below", "text")
