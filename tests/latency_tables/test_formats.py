import pandas
import pytest

from latency_tables import TableError
from latency_tables.formats import export_table
from zoo import ArchSpec


@pytest.mark.parametrize(("suffix", "read"), [(".csv", pandas.read_csv), (".parquet", pandas.read_parquet)])
def test_kernels_and_networks_come_back_as_they_are_in_the_table(suffix, read, small_table, tmp_path):
    export_table(small_table, tmp_path / f"kernels{suffix}")
    frame = read(tmp_path / f"kernels{suffix}")
    rows = small_table.kernels()
    assert list(frame["key"]) == [row.key for row in rows] and set(frame["runtime"]) == {"onnxruntime"}
    assert list(frame["ms"]) == pytest.approx([row.ms for row in rows])
    export_table(small_table, tmp_path / f"networks{suffix}", what="networks")
    frame = read(tmp_path / f"networks{suffix}")
    assert [ArchSpec.from_json(text) for text in frame["spec"]] == [o.spec for o in small_table.observations]


def test_another_format_is_refused(small_table, tmp_path):
    with pytest.raises(TableError, match=r"\.csv or \.parquet"):
        export_table(small_table, tmp_path / "table.xlsx")


def test_a_table_without_a_profile_has_no_kernels_to_export(small_table, tmp_path):
    bare = small_table.replace(
        observations=tuple(o.model_copy(update={"profile": None}) for o in small_table.observations)
    )
    with pytest.raises(TableError, match="no profile"):
        export_table(bare, tmp_path / "kernels.csv")
