import os

from latency_tables import this_device


def test_the_fingerprint_is_of_this_machine():
    device = this_device("onnxruntime", "int8", 1)
    assert device.cores == len(os.sched_getaffinity(0))
    assert device.cpu and device.runtime_version


def test_differences_name_the_field():
    first = this_device("onnxruntime", "int8", 1)
    assert first.differences(first) == []
    threads, settings = first.differences(this_device("onnxruntime", "int8", 2))
    assert threads == "threads: 1, 2" and "'one core'" in settings and "'any core'" in settings
