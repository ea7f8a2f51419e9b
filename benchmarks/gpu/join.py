#!/usr/bin/env python3
"""Joins JSON lines of gpu-bench and of benchmarks/pytorch/bench.py into benchmarks/results/gpu-DEVICE.md.

    join.py ours.jsonl pytorch.jsonl [--output FILE]
    join.py --self-test

Of rows that were measured again, the last counts.

Floors, for an H100 SXM alone: decoding one token reads the head's weight and bias once, (shortlist + clusters) * hidden
values; which tails a token visits is unknown here, so the share counts the head only and is a lower bound. A training
step multiplies and adds, per token, 6 * rows * width for each weight (forward, input and weight gradient), with every
token in the head and 10 % and 5 % of them in the tails.
"""

import argparse
import json
import os
import re
import sys

H100 = re.compile(r"H100.*HBM3")  # as the driver calls an SXM module; H100 PCIe and H100 NVL have other peaks
BANDWIDTH = 3.35e12  # bytes a second
PEAK = {"float32": 67e12, "tf32": 495e12, "bf16": 989e12}  # operations a second, dense
VALUE_BYTES = {"float32": 4, "tf32": 4, "bf16": 2}
CUTOFFS = (8_192, 40_960)
TAIL_SHARES = (0.10, 0.05)


def training_operations(row):
    hidden, tokens, vocabulary = row["hidden"], row["tokens"], row["vocabulary"]
    operations = 6 * tokens * (CUTOFFS[0] + 2) * hidden
    sizes = (CUTOFFS[1] - CUTOFFS[0], vocabulary - CUTOFFS[1])
    for i, share in enumerate(TAIL_SHARES):
        width = hidden // 4 ** (i + 1)
        operations += 6 * share * tokens * width * (hidden + sizes[i])
    return operations


def floor_ms(row):
    """The least time of an adaptive row on an H100, or None where no floor is known."""
    if not H100.search(row["device"]) or not row["contender"].startswith("adaptive") or row["vocabulary"] != 262_144:
        return None
    if row["case"] == "train":
        return training_operations(row) / PEAK[row["precision"]] * 1e3
    if row["tokens"] == 1:
        return (CUTOFFS[0] + 2) * row["hidden"] * VALUE_BYTES[row["precision"]] / BANDWIDTH * 1e3
    return None


def text_time(ms):
    if ms is None:
        return "-"
    return f"{ms * 1000:.1f} µs" if ms < 1 else f"{ms:.2f} ms"


def key(row):
    return (row["case"], row["hidden"], row["tokens"])


def write(rows):
    devices = sorted({row["device"] for row in rows})
    lines = [f"# {', '.join(devices)}", "", "Written by `benchmarks/gpu/join.py` from the runs of `gpu-bench` and `benchmarks/pytorch/bench.py`.",
             "The ratio is PyTorch's adaptive module in the same precision, eager, to the row: above 1 the row is faster.",
             "Extra memory is what a step takes beside weights and their gradients.", ""]
    versions = sorted({f"{row['program']}: {row['version']}" for row in rows if row.get("version")})
    lines += [*(f"- {version}" for version in versions), ""] if versions else []
    rows = list({(*key(row), row["vocabulary"], row["device"], row["program"], row["contender"], row["precision"]): row for row in rows}.values())
    for case in ("train", "decode"):
        groups = sorted({key(row) for row in rows if row["case"] == case})
        for group in groups:
            lines += [f"## {case}, hidden {group[1]:,}, {group[2]:,} tokens", "",
                      "| program | contender | precision | median | least | ratio | share of the floor | extra memory |", "|---|---|---|--:|--:|--:|--:|--:|"]
            members = [row for row in rows if key(row) == group]
            peers = {row["precision"]: row["median_ms"] for row in members if row["program"] == "pytorch" and row["contender"] == "adaptive"}
            for row in sorted(members, key=lambda row: (row["median_ms"] is None, row["median_ms"] or 0)):
                lines.append(line(row, peers.get(row["precision"])))
            notes = sorted({f"{row['program']} {row['contender']} {row['precision']}: {row['note']}" for row in members if row["note"]})
            lines += ["", *(f"- {note}" for note in notes), ""]
    return "\n".join(lines).rstrip() + "\n"


def line(row, peer):
    median = row["median_ms"]
    ratio = f"{peer / median:.2f}" if peer and median else ""
    floor = floor_ms(row)
    share = f"{floor / median * 100:.0f} %" if floor and median else ""
    memory = "" if row["extra_bytes"] is None else f"{row['extra_bytes'] / 1e6:.0f} MB"
    return f"| {row['program']} | {row['contender']} | {row['precision']} | {text_time(median)} | {text_time(row['min_ms'])} | {ratio} | {share} | {memory} |"


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
        {**base, "program": "adaptivesoftmax", "contender": "adaptive graph", "precision": "float32", "median_ms": 0.02},
        {**base, "program": "pytorch", "contender": "liger", "precision": "bf16", "median_ms": None, "min_ms": None, "extra_bytes": None, "note": "ImportError: x"},
    ]
    text = write(rows)
    head_bytes = 8194 * 1024 * 4
    share = round(head_bytes / 3.35e12 * 1e3 / 0.02 * 100)
    assert f"| adaptivesoftmax | adaptive graph | float32 | 20.0 µs | 20.0 µs | 20.00 | {share} % | 2 MB |" in text, text
    assert "| pytorch | liger | bf16 | - | - |  |  |  |" in text, text
    assert "- pytorch liger bf16: ImportError: x" in text, text
    assert text.index("adaptive graph") < text.index("| pytorch | adaptive |") < text.index("| pytorch | liger"), text
    train = {**rows[0], "case": "train", "tokens": 8192, "median_ms": 10.0}
    expected = 6 * 8192 * (8194 * 1024 + 0.10 * 256 * (1024 + 32_768) + 0.05 * 64 * (1024 + 221_184))
    assert abs(training_operations(train) / expected - 1) < 1e-12
    assert floor_ms({**train, "device": "other"}) is None
    assert floor_ms({**train, "device": "NVIDIA H100 PCIe"}) is None
    again = {**rows[1], "median_ms": 0.04, "version": "driver for CUDA 12.8"}
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
