import io

import pandas as pd
import pytest

from edgezoo.report.export import FORMATS, candidates_frame, frame_bytes
from zoo import ArchSpec, EdgezooError

_READERS = {
    "csv": lambda file: pd.read_csv(file, dtype={"digest": str}),
    "json": lambda file: pd.read_json(file, dtype={"digest": str}),
    "parquet": pd.read_parquet,
}


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_written_is_what_is_read(found, form):
    frame = candidates_frame(found.result, found.study)
    again = _READERS[form](io.BytesIO(frame_bytes(frame, form)))
    pd.testing.assert_frame_equal(again, frame, check_dtype=False)


def test_a_row_is_a_candidate_with_its_choices(found, small_space):
    frame = candidates_frame(found.result, found.study)
    assert list(frame.trial) == [c.trial for c in found.result.candidates]
    assert set(frame[frame.on_front].trial) == {c.trial for c in found.result.pareto_front}
    names = list(small_space.parameters())
    for row, candidate in zip(frame.to_dict("records"), found.result.candidates, strict=True):
        spec = ArchSpec.from_json(row["spec"])
        assert spec == candidate.spec and spec.digest == row["digest"]
        assert small_space.decode({name: row[f"choice_{name}"] for name in names}) == spec
        assert (row["accuracy"], row["predicted_ms"]) == (candidate.accuracy, candidate.predicted_ms)
        assert (row["params"], row["macs"]) == (candidate.params, candidate.macs)


def test_without_a_study_there_are_no_choices(found):
    frame = candidates_frame(found.result)
    assert len(frame) == 12 and not any(name.startswith("choice_") for name in frame)


def test_an_unknown_format_is_one_line(found):
    with pytest.raises(EdgezooError, match="unknown format 'xlsx'; there are csv, json, parquet"):
        frame_bytes(candidates_frame(found.result), "xlsx")
