"""How well a latency table predicts networks it never saw, beside simpler ways and beside measuring twice.

    python scripts/bench_latency_tables.py --runtime onnxruntime --dtype fp32 --out build/bench

Measures, in turns and in one run: the networks of a table (of the default space and of the zoo), and networks that the
table never sees. Then, in a second run, some of them again: how far two measurements of one network lie apart. Prints
what docs/benchmarks.md holds; `--busy` does all of it beside a process that burns the other core; `--ship` keeps the
table among those that ship. Takes eight to twenty minutes; leave the machine alone meanwhile.
"""

import argparse
import json
import math
import multiprocessing
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import search
import zoo
from latency_tables import LatencyTable, build_table, load_table
from latency_tables.bench import Bench
from latency_tables.build import cover_kernels
from latency_tables.kernels import spec_kernels, spec_parts
from latency_tables.measurement import summarize, time_in_turns
from latency_tables.observation import Observation
from latency_tables.table import SHIPPED
from latency_tables.validation import Accuracy, compare, validate
from search.space_latency import SpaceLatency
from zoo import ArchSpec, EdgezooError

DEFAULT_SPACE = "tiny"
MOST_MACS = 600e6
UNSEEN, UNSEEN_ZOO, AGAIN = 60, 40, 40


def main() -> None:
    parser = argparse.ArgumentParser(description="How well a latency table predicts.")
    parser.add_argument("--runtime", default="onnxruntime")
    parser.add_argument("--dtype", default="fp32")
    parser.add_argument("--networks", type=int, default=120, help="of the space, in the table")
    parser.add_argument("--zoo", type=int, default=60, help="of the zoo, in the table")
    parser.add_argument("--busy", action="store_true", help="burn the other core meanwhile")
    parser.add_argument("--isolated", action="store_true", help="also time each block alone and add up")
    parser.add_argument("--ship", action="store_true", help="keep the table among those that ship")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--again", action="store_true", help="measure nothing: predict anew what --out holds")
    parser.add_argument("--speed", type=Path, metavar="TABLE", help="only print how fast a table predicts, as JSON")
    args = parser.parse_args()
    if args.speed:
        print(json.dumps(measure_speed(args.speed)))
        return
    name = f"{args.runtime}-{args.dtype}{'-busy' if args.busy else ''}"
    measured, extra = args.out / f"{name}.measured.json", args.out / f"{name}.extra.json"
    if not args.again:
        measure(args, measured, extra)
    result = evaluate(args, load_table(measured), json.loads(extra.read_text()))
    (args.out / f"{name}.json").write_text(json.dumps(result, indent=1))
    report(result)


def measure(args: argparse.Namespace, measured: Path, extra: Path) -> None:
    """Measure all networks into one table, `measured`; what else is needed goes into `extra`."""
    args.out.mkdir(parents=True, exist_ok=True)
    burner = multiprocessing.get_context("spawn").Process(target=_burn, daemon=True)
    if args.busy:
        burner.start()
    try:
        drawn, chosen, test_space, test_zoo = networks(args)
        started = time.monotonic()
        progress = measured.with_suffix(".progress")
        both = build_table(
            drawn,
            runtime=args.runtime,
            dtype=args.dtype,
            also=[*chosen, *test_space, *test_zoo],
            seconds_each=1.5,
            progress_file=progress,
            on_network=lambda done, total: print(f"{done}/{total}", end="\r", flush=True),
        )
        seconds = time.monotonic() - started
        both.save(measured)
        progress.unlink(missing_ok=True)
        known = {o.spec.digest for o in both.observations}
        isolated = _isolated_blocks(args, test_space) if args.isolated else {}
        again = _measure_again(args, [spec for spec in (*test_space, *test_zoo) if spec.digest in known])
        extra.write_text(json.dumps({"seconds": seconds, "isolated": isolated, "again": again}))
    finally:
        if args.busy:
            burner.kill()


def networks(args: argparse.Namespace) -> tuple[list[ArchSpec], ...]:
    """Return the table's networks, drawn and chosen ones, and the unseen networks of the space and of the zoo."""
    space, rng, draw = search.SPACES.get(DEFAULT_SPACE), random.Random(2026), random.Random(0)
    zoo_specs = _zoo_specs(random.Random(0))
    test_zoo, table_zoo = zoo_specs[:UNSEEN_ZOO], zoo_specs[UNSEEN_ZOO : UNSEEN_ZOO + args.zoo]
    test_space = [space.sample(rng) for _ in range(UNSEEN)]
    test = {s.digest for s in (*test_space, *test_zoo)}
    drawn = [space.sample(draw) for _ in range(args.networks // 2)]
    pool = [s for s in (space.sample(draw) for _ in range(2 * args.networks)) if s.digest not in test]
    chosen = cover_kernels([*drawn, *table_zoo], pool, args.networks // 2, 10, 3)
    return [s for s in drawn if s.digest not in test], [*chosen, *table_zoo], test_space, test_zoo


def evaluate(args: argparse.Namespace, both: LatencyTable, extra: dict) -> dict:
    """Return how well a table without the unseen networks predicts them, beside other ways."""
    *_, test_space, test_zoo = networks(args)
    names = {s.digest: "zoo" for s in test_zoo} | {s.digest: "space" for s in test_space}
    own = [o for o in both.observations if o.spec.digest not in names]
    table = both.replace(space=DEFAULT_SPACE, observations=tuple(own), validation=validate(own))
    if args.ship:
        table.save(SHIPPED / f"{args.runtime}-{args.dtype}.json")
    unseen = [o for o in both.observations if o.spec.digest in names]
    estimates = [table.predict_any(o.spec) for o in unseen]
    measured = [o.cost * table.reference_ms for o in unseen]
    ways = {"table": [e.ms for e in estimates], "multiply-adds": _by_macs(own, unseen, table)}
    isolated, again = extra["isolated"], extra["again"]
    result: dict = {
        "date": both.created[:10],
        "device": table.device.model_dump(),
        "busy": args.busy,
        "seconds": extra["seconds"],
        "networks": len(own),
        "unseen": len(unseen),
        "failures": [f.reason for f in both.failures],
        "repeatability": table.validation.repeatability,
        "rejected": sum(o.rejected for o in both.observations) / sum(o.samples + o.rejected for o in both.observations),
        "width": float(np.median([(e.high_ms - e.low_ms) / 2 / e.ms for e in estimates])),
        "coverage": float(np.mean([e.low_ms <= m <= e.high_ms for e, m in zip(estimates, measured, strict=True)])),
        "points": [
            [names[o.spec.digest], m, e.ms, e.low_ms, e.high_ms]
            for o, m, e in zip(unseen, measured, estimates, strict=True)
        ],
        "rows": {},
        "speed": _speed(table),
    }
    for group in ("space", "zoo"):
        chosen = [i for i, o in enumerate(unseen) if names[o.spec.digest] == group]
        rows = {way: _accuracy(values, measured, chosen) for way, values in ways.items()}
        if group == "space" and isolated:
            rows["sum of isolated blocks"] = compare(*isolated_pairs(isolated, unseen, measured)).model_dump()
        twice = [i for i in chosen if unseen[i].spec.digest in again]
        second = [again.get(o.spec.digest, 1.0) * table.reference_ms for o in unseen]
        if twice:
            rows["measured twice"] = _accuracy(second, measured, twice)
        covered = [estimates[i].low_ms <= measured[i] <= estimates[i].high_ms for i in chosen]
        result["rows"][group] = {"covered": float(np.mean(covered)) if covered else None, **rows}
    return result


def _accuracy(predicted: Sequence[float], measured: Sequence[float], chosen: Sequence[int]) -> dict:
    return compare([predicted[i] for i in chosen], [measured[i] for i in chosen]).model_dump()


def _zoo_specs(rng: random.Random) -> list[ArchSpec]:
    """Return the zoo's networks in random order, turn by turn at 224 and 32 pixels."""
    names = [name for name in zoo.list_models() if (zoo.model_info(name).macs or MOST_MACS) < MOST_MACS]
    rng.shuffle(names)
    specs = []
    for name in names:
        try:
            specs.append(zoo.get_spec(name).at_resolution((224, 32)[len(specs) % 2]))
        except EdgezooError:
            continue
    return specs


def _by_macs(own: Sequence[Observation], unseen: Sequence[Observation], table: LatencyTable) -> list[float]:
    """Return a straight line through the multiply-adds of the table's networks, relative errors least."""

    def macs(o: Observation) -> float:
        return sum(p.kernel.macs for p in spec_kernels(o.spec, o.num_classes, o.in_chans)) / 1e6

    cost = np.array([o.cost for o in own])
    line = np.stack([np.ones(len(own)), [macs(o) for o in own]], axis=1)
    solution = np.linalg.lstsq(line / cost[:, None], np.ones(len(own)), rcond=None)[0]
    return [max(1e-3, float(solution @ [1, macs(o)])) * table.reference_ms for o in unseen]


def _isolated_blocks(args: argparse.Namespace, specs: Sequence[ArchSpec]) -> dict[str, float]:
    """Return for each network the sum of its blocks timed alone, in units of the reference."""
    parts = {part: f"part{i}" for i, part in enumerate(dict.fromkeys(p for spec in specs for p in spec_parts(spec)))}
    with Bench(args.runtime, args.dtype) as at:
        loaded = []
        for part, name in parts.items():
            sizes = (part.in_shape[0],) if isinstance(part.spec, zoo.BlockSpec) else (part.in_shape[0], 10, [])
            module = part.spec.build(*sizes)
            try:
                at.add(name, module.eval(), (1, *part.in_shape))
                loaded.append(name)
            except EdgezooError:
                continue
        costs = {name: summarize(taken).cost for name, taken in time_in_turns(at, loaded, seconds_each=0.25).items()}
    sums = {}
    for spec in specs:
        names = [parts[part] for part in spec_parts(spec)]
        if all(name in costs for name in names):
            sums[spec.digest] = sum(costs[name] for name in names)
    return sums


def isolated_pairs(sums: dict[str, float], unseen: Sequence[Observation], measured: Sequence[float]):
    """Return the sums, scaled by one factor, and the measured latencies of the networks that have them."""
    pairs = [(sums[o.spec.digest], ms) for o, ms in zip(unseen, measured, strict=True) if o.spec.digest in sums]
    factor = float(np.median([ms / total for total, ms in pairs]))
    return [total * factor for total, _ in pairs], [ms for _, ms in pairs]


def _measure_again(args: argparse.Namespace, specs: Sequence[ArchSpec]) -> dict[str, float]:
    """Return the costs of some networks, measured anew in another process."""
    with Bench(args.runtime, args.dtype) as at:
        chosen = random.Random(1).sample(list(specs), min(AGAIN, len(specs)))
        for spec in chosen:
            network = spec.deployed().build(10, 3, seed=0)
            at.add(spec.digest, network, (1, 3, spec.resolution, spec.resolution))
        timed = time_in_turns(at, [s.digest for s in chosen], seconds_each=1.5, min_visits=16)
    return {name: summarize(taken).cost for name, taken in timed.items()}


def _speed(table: LatencyTable) -> dict[str, float]:
    """Return what predicting in a fresh process takes: candidates a second, before and after all stages were met."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.json")
        table.save(path)
        command = [sys.executable, "-W", "ignore", __file__, "--speed", str(path)]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure_speed(path: Path) -> dict[str, float]:
    """Return candidates predicted in a second on one core, and the memory of the process in MB."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    space, rng = search.SPACES.get(DEFAULT_SPACE), random.Random(3)
    drawn = [space.sample_params(rng) for _ in range(2000)]
    latency, rates = SpaceLatency(space, load_table(path)), {}
    for name in ("first", "later"):
        started = time.perf_counter()
        latency.many(drawn)
        rates[name] = len(drawn) / (time.perf_counter() - started)
    return rates | {"memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def _burn() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    values = np.random.default_rng(0).standard_normal((512, 512))
    while True:
        values = values @ values
        values /= np.abs(values).max()


def report(result: dict) -> None:
    """Print a result as the tables of docs/benchmarks.md."""
    device = result["device"]
    busy = ", one process burning the other core" if result["busy"] else ""
    print(
        f"\n{device['runtime']} {device['runtime_version']} {device['dtype']}, {device['threads']} thread, "
        f"{device['cpu']}, {result['date']}{busy}"
    )
    print(
        f"{result['networks']} networks in the table, {result['unseen']} unseen, all measured in "
        f"{result['seconds']:.0f} s, {result['rejected']:.1%} of samples rejected; {len(result['failures'])} left out; "
        f"a median is known to {result['repeatability']:.1%}; predictions a second: "
        f"{result['speed']['first']:,.0f} at first, {result['speed']['later']:,.0f} later, with "
        f"{result['speed'].get('memory_mb', math.nan):.0f} MB"
    )
    print("| networks | way | MAPE | within 5 % | within 10 % | worst | Kendall tau | interval covers |")
    print("|---|---|---|---|---|---|---|---|")
    for group, rows in result["rows"].items():
        for way, row in rows.items():
            if way == "covered":
                continue
            a = Accuracy(**row)
            covered = f"{rows['covered']:.0%}" if way == "table" else ""
            print(
                f"| {a.networks} {group} | {way} | {a.mape:.1%} | {a.within_5:.0%} | {a.within_10:.0%} | "
                f"{a.worst:.1%} | {a.kendall_tau:.3f} | {covered} |"
            )


if __name__ == "__main__":
    main()
