"""edgezoo doctor: what this machine can run."""

from edgezoo.commands.output import AsJson, print_facts, print_json


def doctor_command(as_json: AsJson = False) -> None:
    """Tell what this machine can run, what disturbs measurements on it, and the commands that install the rest.

    Example: edgezoo doctor
    """
    from edgezoo.doctor import examine

    found = examine()
    if as_json:
        print_json(found)
        return
    machine = found["machine"]
    rows = [
        ("processor", machine["cpu"]),
        ("instructions", " ".join(machine["instructions"]) or "unknown"),
        ("int8 dot products", "yes" if machine["int8_dot_products"] else "no"),
        ("cores", str(machine["cores"])),
        ("memory", f"{machine['memory_gb']} GiB"),
        ("system", machine["system"]),
        ("clock governor", machine["governor"]),
        ("load", f"{machine['load']:.2f}"),
    ]
    rows += [(name, known or "missing") for name, known in found["versions"].items()]
    rows += [(f"runtime {n}", one["version"] or f"missing: {one['install']}") for n, one in found["runtimes"].items()]
    rows += [
        (f"extra {name}", f"missing: {one['install']}" if one["install"] else "ready")
        for name, one in found["extras"].items()
    ]
    print_facts(rows)
    for sentence in found["advice"]:
        print(sentence)
