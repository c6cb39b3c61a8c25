import pytest

from latency_tables import RUNTIMES, RuntimeUnavailableError, get_runtime
from zoo import UnknownNameError


def test_an_unknown_runtime_is_answered_with_near_names():
    with pytest.raises(UnknownNameError, match="did you mean 'onnxruntime'"):
        get_runtime("onxruntime")


def test_an_unknown_dtype_is_answered_with_those_there_are():
    with pytest.raises(RuntimeUnavailableError, match="fp32, int8"):
        get_runtime("onnxruntime", "int4")


def test_a_missing_runtime_says_how_to_install_it():
    class Missing:
        dtypes = ("fp32",)
        install = "pip install missing-runtime"

        @staticmethod
        def version():
            return None

    RUNTIMES.register("missing-for-test")(Missing())
    try:
        with pytest.raises(RuntimeUnavailableError, match="pip install missing-runtime"):
            get_runtime("missing-for-test")
    finally:
        RUNTIMES._entries.pop("missing-for-test")
