import pytest

from edgezoo import doctor
from edgezoo.doctor import examine

_QUIET = {"int8_dot_products": True, "governor": "performance", "load": 0.1, "cores": 4, "throttled": 0}


@pytest.mark.parametrize(
    ("fact", "advice"),
    [
        ({"int8_dot_products": False}, "int8 may not be faster"),
        ({"governor": "powersave"}, "cpupower frequency-set -g performance"),
        ({"load": 2.5}, "The load is 2.5"),
        ({"throttled": 7}, "7 times"),
    ],
)
def test_what_disturbs_is_one_sentence_of_advice_and_a_quiet_machine_needs_none(fact, advice):
    assert doctor._advice(_QUIET) == doctor._advice(_QUIET | {"governor": "unknown"}) == []
    (sentence,) = doctor._advice(_QUIET | fact)
    assert advice in sentence and sentence[0].isupper()


def test_the_command_ends_with_the_advice(edgezoo, monkeypatch):
    monkeypatch.setattr(doctor, "has_vnni", lambda: False)
    shown = edgezoo("doctor").stdout
    assert "int8 dot products" in shown and "int8 may not be faster than fp32." in shown


def test_an_extra_that_lacks_a_package_names_the_command_that_installs_it(monkeypatch):
    wants = ["safetensors", "grpcio>=1 ; extra == 'grpc'", "no-such>1 ; extra == 'hub'", "pytest ; extra == 'dev'"]
    monkeypatch.setattr(doctor, "requires", lambda name: wants)
    installs = {name: extra["install"] for name, extra in examine()["extras"].items()}
    assert installs == {"grpc": None, "hub": "pip install 'edgezoo[hub]'"}
