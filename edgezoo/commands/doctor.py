"""edgezoo doctor: what this machine can run."""

import os

from edgezoo.commands.output import AsJson, print_json, print_table


def doctor_command(as_json: AsJson = False) -> None:
    """Tell what this machine can run, and the command that installs the rest."""
    import latency_tables
    from latency_tables.machine import has_vnni

    device = latency_tables.this_device("torch", "fp32", 1)
    load = os.getloadavg()[0]
    facts = {
        "processor": device.cpu,
        "cores": str(device.cores),
        "memory": f"{device.memory_gb} GiB",
        "int8 dot products": "yes" if has_vnni() else "no (VNNI or dotprod missing): int8 may not be faster than fp32",
        "clock governor": device.governor,
        "load": f"{load:.2f}" + ("  busy: measurements will be disturbed" if load > 0.5 * device.cores else ""),
    }
    for name in latency_tables.RUNTIMES:
        runtime = latency_tables.RUNTIMES.get(name)
        facts[f"runtime {name}"] = runtime.version() or f"missing: {runtime.install}"
    if as_json:
        print_json(facts)
        return
    print_table(("", ""), list(facts.items()))
