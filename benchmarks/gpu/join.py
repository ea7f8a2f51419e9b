#!/usr/bin/env python3
"""Joins JSON lines of gpu-bench and of benchmarks/pytorch/bench.py into benchmarks/results/gpu-DEVICE.md.

    join.py ours.jsonl pytorch.jsonl [--output FILE]
    join.py --self-test

Of rows that were measured again, the last counts.

Floors, for an H100 SXM and an H200 SXM: the longer of what must be read at the memory's bandwidth and what must be
multiplied at the peak of the precision, both as NVIDIA states them. A training step multiplies and adds, per token,
6 * rows * width for each weight (forward, input and weight gradient), with every token in the head and 10 % and 5 % of them
in the tails; greedy decoding 2 * rows * width, with the same shares, and reads the head, and each tail that at least one
of the tokens visits, as often as that is to be expected. For a full softmax that is its one weight.
"""

import argparse
import json
import os
import re
import sys

# As the driver calls them; H100 PCIe, H100 NVL and H200 NVL have other peaks.
DEVICES = ((re.compile(r"H100.*HBM3"), 3.35e12), (re.compile(r"H200(?!.*NVL)"), 4.8e12))  # bytes a second
PEAK = {"float32": 67e12, "tf32": 495e12, "bf16": 989e12}  # operations a second, dense, of both
VALUE_BYTES = {"float32": 4, "tf32": 4, "bf16": 2}
CUTOFFS = (8_192, 40_960)
TAIL_SHARES = (0.10, 0.05)


def is_adaptive(row):
    return row["contender"].startswith("adaptive")


def parts(row):
    """The values of head and tails, and the share of tokens that each has."""
    hidden, vocabulary = row["hidden"], row["vocabulary"]
    if not is_adaptive(row):
        return [(vocabulary * hidden, 1.0)]
    sizes = (CUTOFFS[1] - CUTOFFS[0], vocabulary - CUTOFFS[1])
    widths = (hidden // 4, hidden // 16)
    return [((CUTOFFS[0] + 2) * hidden, 1.0), *((width * (hidden + size), share) for width, size, share in zip(widths, sizes, TAIL_SHARES))]


def floor_ms(row):
    """The least time of a row, or None where no floor is known."""
    bandwidth = next((bandwidth for name, bandwidth in DEVICES if name.search(row["device"])), None)
    if bandwidth is None or row["vocabulary"] != 262_144:
        return None
    tokens = row["tokens"]
    operations = (6 if row["case"] == "train" else 2) * tokens * sum(values * share for values, share in parts(row))
    read = sum(values * (1 - (1 - share) ** tokens) for values, share in parts(row)) * VALUE_BYTES[row["precision"]]
    return max(operations / PEAK[row["precision"]], read / bandwidth) * 1e3


def work(row):
    """What a row did: only rows of the same work and precision are compared."""
    return (row["precision"], row["contender"].partition(" ")[0].endswith("+adagrad"))


def text_time(ms):
    if ms is None:
        return "-"
    return f"{ms * 1000:.1f} µs" if ms < 1 else f"{ms:.2f} ms"


def key(row):
    return (row["case"], row["hidden"], row["tokens"])


def write(rows):
    devices = sorted({row["device"] for row in rows})
    lines = [f"# {', '.join(devices)}", "", "Written by `benchmarks/gpu/join.py` from the runs of `gpu-bench` and `benchmarks/pytorch/bench.py`.",
             "The ratios are the fastest of PyTorch's adaptive module, and of its full softmaxes, to the row, with the same work in the",
             "same precision: above 1 the row is faster. tf32 and bf16 are compared with tf32 and bf16, float32 with float32.",
             "Extra memory is what a step takes beside weights and their gradients.", ""]
    versions = sorted({f"{row['program']}: {row['version']}" for row in rows if row.get("version")})
    lines += [*(f"- {version}" for version in versions), ""] if versions else []
    rows = list({(*key(row), row["vocabulary"], row["device"], row["program"], row["contender"], row["precision"]): row for row in rows}.values())
    for case in ("train", "decode"):
        groups = sorted({key(row) for row in rows if row["case"] == case})
        for group in groups:
            lines += [f"## {case}, hidden {group[1]:,}, {group[2]:,} tokens", "",
                      "| program | contender | precision | median | least | to adaptive | to full | share of the floor | extra memory |", "|---|---|---|--:|--:|--:|--:|--:|--:|"]
            members = [row for row in rows if key(row) == group]
            peers = [row for row in members if row["program"] == "pytorch" and row["median_ms"]]
            for row in sorted(members, key=lambda row: (row["median_ms"] is None, row["median_ms"] or 0)):
                lines.append(line(row, [peer for peer in peers if work(peer) == work(row)]))
            notes = sorted({f"{row['program']} {row['contender']} {row['precision']}: {row['note']}" for row in members if row["note"]})
            lines += ["", *(f"- {note}" for note in notes), ""]
    return "\n".join(lines).rstrip() + "\n"


def ratio(row, peers):
    return f"{min(peer['median_ms'] for peer in peers) / row['median_ms']:.2f}" if peers and row["median_ms"] else ""


def line(row, peers):
    median = row["median_ms"]
    ratios = f"{ratio(row, [peer for peer in peers if is_adaptive(peer)])} | {ratio(row, [peer for peer in peers if not is_adaptive(peer)])}"
    floor = floor_ms(row)
    share = f"{floor / median * 100:.0f} %" if floor and median else ""
    memory = "" if row["extra_bytes"] is None else f"{row['extra_bytes'] / 1e6:.0f} MB"
    return f"| {row['program']} | {row['contender']} | {row['precision']} | {text_time(median)} | {text_time(row['min_ms'])} | {ratios} | {share} | {memory} |"


def read(paths):
    rows = []
    for path in paths:
        try:
            with open(path, encoding="utf-8") as file:
                texts = file.readlines()
        except OSError as error:
            sys.exit(f"join.py: {path} cannot be read: {error.strerror}.")
        for number, text in enumerate(texts, 1):
            try:
                rows.append(json.loads(text))
            except json.JSONDecodeError as error:
                sys.exit(f"{path}:{number}: not a JSON object ({error.msg}); run the benchmark again or remove the line.")
    return rows


def self_test():
    base = {"device": "NVIDIA H100 80GB HBM3", "case": "decode", "hidden": 1024, "vocabulary": 262_144, "tokens": 1, "min_ms": 0.02, "extra_bytes": 2_000_000, "note": ""}
    rows = [
        {**base, "program": "pytorch", "contender": "adaptive", "precision": "float32", "median_ms": 0.4},
        {**base, "program": "pytorch", "contender": "adaptive", "precision": "tf32", "median_ms": 0.3},
        {**base, "program": "pytorch", "contender": "full", "precision": "float32", "median_ms": 0.5},
        {**base, "program": "adaptivesoftmax", "contender": "adaptive graph", "precision": "float32", "median_ms": 0.02},
        {**base, "program": "pytorch", "contender": "liger", "precision": "bf16", "median_ms": None, "min_ms": None, "extra_bytes": None, "note": "ImportError: x"},
    ]
    head, first, second = 8194 * 1024, 256 * (1024 + 32_768), 64 * (1024 + 221_184)
    for device, bandwidth in (("NVIDIA H100 80GB HBM3", 3.35e12), ("NVIDIA H200", 4.8e12)):
        text = write([{**row, "device": device} for row in rows])
        share = round((head + 0.10 * first + 0.05 * second) * 4 / bandwidth * 1e3 / 0.02 * 100)
        assert f"| adaptivesoftmax | adaptive graph | float32 | 20.0 µs | 20.0 µs | 20.00 | 25.00 | {share} % | 2 MB |" in text, text
    assert "| pytorch | adaptive | tf32 | 300.0 µs | 20.0 µs | 1.00 |  |" in text, text
    assert "| adaptivesoftmax | adaptive cublaslt | tf32 | 100.0 µs | 20.0 µs | 3.00 |  |" in write([*rows, {**rows[3], "contender": "adaptive cublaslt", "precision": "tf32", "median_ms": 0.1}])
    assert "| pytorch | liger | bf16 | - | - |  |  |  |  |" in text, text
    assert "- pytorch liger bf16: ImportError: x" in text, text
    assert text.index("adaptive graph") < text.index("| pytorch | adaptive |") < text.index("| pytorch | liger"), text

    # With the optimizer's step against with it, and the fastest of those that there are.
    train = {**rows[0], "case": "train", "tokens": 8192, "median_ms": 10.0}
    faster = {**train, "contender": "adaptive compiled", "median_ms": 8.0}
    stepped = {**train, "contender": "adaptive+adagrad", "median_ms": 12.0}
    ours = {**train, "program": "adaptivesoftmax", "contender": "adaptive+adagrad graph", "median_ms": 6.0}
    text = write([train, faster, stepped, ours, {**ours, "contender": "adaptive graph", "median_ms": 4.0}, {**train, "contender": "liger", "median_ms": 40.0}])
    assert "| adaptivesoftmax | adaptive+adagrad graph | float32 | 6.00 ms | 20.0 µs | 2.00 |  |" in text, text
    assert "| adaptivesoftmax | adaptive graph | float32 | 4.00 ms | 20.0 µs | 2.00 | 10.00 |" in text, text

    expected = 6 * 8192 * (head + 0.10 * first + 0.05 * second) / 67e12 * 1e3
    assert abs(floor_ms(train) / expected - 1) < 1e-12
    many = (2 * 512 * (head + 0.10 * first + 0.05 * second) / 67e12, (head + first * (1 - 0.9**512) + second * (1 - 0.95**512)) * 4 / 4.8e12)
    assert abs(floor_ms({**rows[0], "device": "NVIDIA H200", "tokens": 512}) / (max(many) * 1e3) - 1) < 1e-12
    assert abs(floor_ms(rows[2]) / (262_144 * 1024 * 4 / 3.35e12 * 1e3) - 1) < 1e-12
    for other in ("other", "NVIDIA H100 PCIe", "NVIDIA H100 NVL", "NVIDIA H200 NVL"):
        assert floor_ms({**train, "device": other}) is None, other
    again = {**rows[3], "median_ms": 0.04, "version": "driver for CUDA 12.8"}
    text = write([*rows, again])
    assert "| 40.0 µs | 20.0 µs | 10.00 |" in text and "| 20.0 µs | 20.0 µs |" not in text, text
    assert "- adaptivesoftmax: driver for CUDA 12.8" in text, text
    print("join.py: ok")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", help="JSON lines of gpu-bench and bench.py")
    parser.add_argument("--output", metavar="FILE", help="where to write; benchmarks/results/gpu-DEVICE.md if omitted")
    parser.add_argument("--self-test", action="store_true", help="check this script on made-up rows")
    arguments = parser.parse_args()
    if arguments.self_test:
        self_test()
        return
    rows = read(arguments.files)
    if not rows:
        parser.error("name at least one file with rows")
    device = re.sub(r"[^a-z0-9]+", "-", rows[0]["device"].lower()).strip("-")
    results = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "results")
    output = arguments.output or os.path.join(os.path.normpath(results), f"gpu-{device}.md")
    os.makedirs(os.path.dirname(output) or ".", exist_ok=True)
    with open(output + ".tmp", "w", encoding="utf-8") as file:
        file.write(write(rows))
    os.replace(output + ".tmp", output)
    print(output)


if __name__ == "__main__":
    main()
