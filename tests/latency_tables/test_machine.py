import os
import platform

import pytest

from latency_tables import machine

_XEON = """processor\t: 0
cpu family\t: 6
model\t\t: 106
model name\t: Intel(R) Xeon(R) Platinum
flags\t\t: fpu sse avx512_vnni
"""
_HIDDEN = (
    "processor : 0\nvendor_id : AuthenticAMD\ncpu family : 25\nmodel : 1\nmodel name : unknown\nflags : fpu avx2\n"
)
_PI = "processor : 0\nFeatures : fp asimddp\nCPU implementer : 0x41\nCPU part : 0xd0b\n\nModel : Raspberry Pi 5\n"
_ARM = "processor : 0\nFeatures : fp asimd\nCPU implementer : 0x41\nCPU part : 0xd08\n"


@pytest.fixture
def cpu_info(monkeypatch, tmp_path):
    """A function that gives the machine another /proc/cpuinfo, None for none."""

    def pretend(text):
        path = tmp_path / "cpuinfo"
        if text is not None:
            path.write_text(text)
        monkeypatch.setattr(machine, "_CPU_INFO", path)

    return pretend


@pytest.mark.parametrize(
    ("text", "name", "vnni"),
    [
        (_XEON, "Intel(R) Xeon(R) Platinum (family 6 model 106)", True),
        (_HIDDEN, "unknown (family 25 model 1)", False),
        (_PI, "Raspberry Pi 5 (implementer 0x41 part 0xd0b)", True),
        (_ARM, f"{platform.processor() or platform.machine()} (implementer 0x41 part 0xd08)", False),
        (None, platform.processor() or platform.machine(), False),
    ],
)
def test_the_processor_is_told_as_well_as_the_system_can(cpu_info, text, name, vnni):
    cpu_info(text)
    assert machine.machine_facts()["cpu"] == name
    assert machine.has_vnni() is vnni


def test_the_facts_are_of_this_machine():
    facts = machine.machine_facts()
    assert facts["cores"] == len(os.sched_getaffinity(0)) <= os.cpu_count()
    assert facts["system"] == f"{platform.system()} {platform.machine()}"
    assert facts["memory_gb"] >= 1 and facts["governor"]


def test_the_state_is_of_this_machine():
    state = machine.machine_state()
    assert state.load >= 0 and state.throttled >= 0 and state.governor == machine.governor()
