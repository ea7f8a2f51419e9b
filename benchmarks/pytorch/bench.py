#!/usr/bin/env python3
"""PyTorch's side of the GPU table: the same shapes, targets and keys as gpu-bench, for benchmarks/gpu/join.py.

A training step is forward and backward, with gradients set to None before it; "+adagrad" adds the optimizer's step. Weights
rotate among several copies, so that the second-level cache never holds the next ones; compiled rows have one copy, since
a step reads more than a cache holds and each copy would be compiled again. Times are CUDA events around several steps in
a row, of at least 20 ms, as in gpu-bench; the median and the least of such runs count, for one step. Extra memory is the
most that was allocated during a step beside weights and their gradients. A contender that is missing, fails or runs out
of memory is a row that says so, and so is one for which the time of --minutes did not suffice; compiled rows come last.

Greedy decoding takes one window after the other of 512 hidden vectors, and the head's rows of the clusters are scaled so
that 10 and 5 % of these have the cluster as their best row, for which the module looks into the tail: as gpu-bench does.
"""

import argparse
import gc
import json
import re
import statistics
import sys
import time

from targets import check, zipf_targets

PRECISIONS = ("float32", "tf32", "bf16")
VECTORS = 512  # hidden vectors to decode from
TAIL_SHARES = (0.10, 0.05)  # of the tokens that visit each tail in decoding, as of targets
BF16_ONLY = ("adaptive autocast", "liger sm90", "quack")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE", help="append the rows to a file, one JSON object a line")
    parser.add_argument("--only", metavar="REGEX", default="", help='measure the rows whose "case contender precision hidden tokens" a regular expression finds')
    parser.add_argument("--seconds", type=float, default=1.0, help="how long to measure a row; 1 if omitted")
    parser.add_argument("--minutes", type=float, default=8.0, help="after which no further row is begun; 8 if omitted")
    parser.add_argument("--device", default="cuda", help="cuda, or cpu to see that everything runs")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything runs")
    return parser.parse_args()


class Sizes:
    def __init__(self, quick):
        self.vocabulary = 5_000 if quick else 262_144
        self.cutoffs = (500, 2_000) if quick else (8_192, 40_960)
        self.hidden = (64,) if quick else (1024, 2048)
        self.tokens = 64 if quick else 8192
        self.decode = (1, 8, 64, 512)
        self.training_copies = 3
        self.decoding_copies = 8  # as gpu-bench: the head alone, in bfloat16, is a third of an H100's cache


class Bench:
    def __init__(self, torch, arguments):
        self.torch, self.arguments, self.sizes = torch, arguments, Sizes(arguments.quick)
        self.device = torch.device(arguments.device)
        self.is_cuda = self.device.type == "cuda"
        self.name = torch.cuda.get_device_name() if self.is_cuda else "cpu"
        self.rows = []
        self.start = time.perf_counter()

    def run(self):
        torch = self.torch
        print(f"PyTorch {torch.__version__} on {self.name}, CUDA {torch.version.cuda}", flush=True)
        plain = ("adaptive", "adaptive+adagrad", "adaptive autocast", "full", "linear-cross-entropy", "cut-cross-entropy", "liger", "liger sm90", "quack")
        for contenders in (plain, ("adaptive compiled", "full compiled")):
            for hidden in self.sizes.hidden:
                for precision in PRECISIONS:
                    # "high" is tf32 for matrix products, "highest" is float32.
                    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
                    for contender in contenders:
                        if contender in BF16_ONLY and precision != "bf16":
                            continue
                        self.measure("train", contender, precision, hidden, self.sizes.tokens)
                    for tokens in self.sizes.decode if contenders is plain else ():
                        for contender in ("adaptive", "full"):
                            self.measure("decode", contender, precision, hidden, tokens)
        missing = sum(row["median_ms"] is None for row in self.rows)
        print(f"{len(self.rows)} rows in {self.elapsed():.0f} s, {missing} of them without a figure.")

    def elapsed(self):
        return time.perf_counter() - self.start

    def measure(self, case, contender, precision, hidden, tokens):
        if not re.search(self.arguments.only, f"{case} {contender} {precision} {hidden} {tokens}", re.IGNORECASE):
            return
        row = {
            "program": "pytorch", "device": self.name, "version": f"PyTorch {self.torch.__version__}, CUDA {self.torch.version.cuda}", "case": case, "contender": contender, "precision": precision, "hidden": hidden,
            "vocabulary": self.sizes.vocabulary, "tokens": tokens, "median_ms": None, "min_ms": None, "extra_bytes": None, "note": "",
        }
        if self.elapsed() > self.arguments.minutes * 60:
            row["note"] = "not measured: the time of --minutes is spent"
        else:
            self.fill(row, self.train_step if case == "train" else self.decode_step)
        self.rows.append(row)
        took = "-" if row["median_ms"] is None else f"{row['median_ms']:.3f} ms"
        print(f"{case:7}{contender:21}{precision:9}{hidden:6}{tokens:6}  {took:>14}  {row['note']}", flush=True)
        if self.arguments.json:
            with open(self.arguments.json, "a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

    def fill(self, row, make):
        try:
            step, copies, note = make(row["contender"], row["precision"], row["hidden"], row["tokens"])
            row["median_ms"], row["min_ms"], row["extra_bytes"] = self.time(step, copies)
            row["note"] = note
        except Exception as error:  # A row that says what failed is worth more than a run that stops.
            lines = str(error).strip().splitlines()
            row["note"] = f"{type(error).__name__}: {lines[0] if lines else ''}"[:200]
        step = None
        if row["contender"].endswith("compiled") and hasattr(self.torch, "compiler"):
            # Compiled code is kept by function, and beyond a limit of variants PyTorch runs eagerly without an error.
            self.torch.compiler.reset()
        gc.collect()
        if self.is_cuda:
            try:
                self.torch.cuda.empty_cache()
            except RuntimeError:
                pass  # After a failed kernel every call fails, and the rows to come say so.

    def dtype(self, precision):
        return self.torch.bfloat16 if precision == "bf16" else self.torch.float32

    def adaptive(self, hidden, precision):
        torch, sizes = self.torch, self.sizes
        return torch.nn.AdaptiveLogSoftmaxWithLoss(
            hidden, sizes.vocabulary, list(sizes.cutoffs), div_value=4.0, device=self.device, dtype=self.dtype(precision))

    def full_weight(self, hidden, precision):
        weight = self.torch.empty(self.sizes.vocabulary, hidden, device=self.device, dtype=self.dtype(precision)).uniform_(-1, 1) / hidden**0.5
        return self.torch.nn.Parameter(weight)

    def inputs(self, hidden, precision, tokens):
        self.torch.manual_seed(5)
        return self.torch.rand(tokens, hidden, device=self.device, dtype=self.dtype(precision)) * 2 - 1

    def train_step(self, contender, precision, hidden, tokens):
        torch, sizes = self.torch, self.sizes
        x = self.inputs(hidden, precision, tokens).requires_grad_()
        y = torch.tensor(zipf_targets(tokens, sizes.vocabulary, sizes.cutoffs), device=self.device)
        copies = 1 if contender.endswith("compiled") else sizes.training_copies
        note = "parameters and input bfloat16" if precision == "bf16" else ""
        if contender == "adaptive autocast":
            # As a float32 model is trained in bfloat16: products in it, parameters and their gradients in float32.
            note = "parameters float32, products bfloat16"
            x = self.inputs(hidden, "float32", tokens).requires_grad_()
            models = [self.adaptive(hidden, "float32") for _ in range(copies)]
            losses = [lambda m=m: self.autocast(lambda: m(x, y).loss) for m in models]
            parameters = [list(m.parameters()) for m in models]
        elif contender.startswith("adaptive"):
            models = [self.adaptive(hidden, precision) for _ in range(copies)]
            losses = [lambda m=m: m(x, y).loss for m in models]
            parameters = [list(m.parameters()) for m in models]
        else:
            models = [self.full_weight(hidden, precision) for _ in range(copies)]
            losses, note = [self.full_loss(contender, x, y, w) for w in models], self.full_note(contender, note)
            parameters = [[w] for w in models]
        if contender.endswith("compiled"):
            losses = [torch.compile(loss) for loss in losses]
        optimizers = [torch.optim.Adagrad(p, lr=1e-3) for p in parameters] if contender.endswith("adagrad") else None

        def step(call):
            copy = call % copies
            x.grad = None
            for parameter in parameters[copy]:
                parameter.grad = None
            losses[copy]().backward()
            if optimizers:
                optimizers[copy].step()

        return step, copies, note

    def autocast(self, call):
        with self.torch.autocast(self.device.type, dtype=self.torch.bfloat16):
            return call()

    def full_note(self, contender, note):
        if contender != "linear-cross-entropy":
            return note
        path = "in chunks" if hasattr(self.torch.nn, "LinearCrossEntropyOptions") else "the reference path, since this PyTorch has no chunks"
        return f"{note}; {path}" if note else path

    def full_loss(self, contender, x, y, weight):
        functional = self.torch.nn.functional
        if contender == "cut-cross-entropy":
            from cut_cross_entropy import linear_cross_entropy

            return lambda: linear_cross_entropy(x, weight, y)
        if contender == "liger":
            from liger_kernel.transformers import LigerFusedLinearCrossEntropyLoss

            loss = LigerFusedLinearCrossEntropyLoss()
            return lambda: loss(weight, x, y)
        if contender == "liger sm90":
            from liger_kernel.ops.cutedsl.ops.fused_linear_cross_entropy_sm90 import LigerFusedLinearCrossEntropySM90Function

            return lambda: LigerFusedLinearCrossEntropySM90Function.apply(x, weight, y)
        if contender == "quack":
            from quack.linear_cross_entropy import chunked_linear_cross_entropy

            return lambda: chunked_linear_cross_entropy(x, weight, y)
        if contender == "linear-cross-entropy":
            if not hasattr(functional, "linear_cross_entropy"):
                raise RuntimeError("this PyTorch has no torch.nn.functional.linear_cross_entropy")
            chunks = {"options": self.torch.nn.LinearCrossEntropyOptions()} if hasattr(self.torch.nn, "LinearCrossEntropyOptions") else {}
            return lambda: functional.linear_cross_entropy(x, weight, y, **chunks)
        return lambda: functional.cross_entropy(functional.linear(x, weight).float(), y)

    def decode_step(self, contender, precision, hidden, tokens):
        torch, sizes = self.torch, self.sizes
        x = self.inputs(hidden, precision, VECTORS)
        windows = x.split(tokens)
        # A full weight is larger than any cache.
        copies, note = sizes.decoding_copies if contender == "adaptive" else sizes.training_copies, ""
        if contender == "adaptive":
            models = [self.adaptive(hidden, precision).eval() for _ in range(copies)]
            visits = [self.visit_tails(m, x).view(len(windows), tokens, -1) for m in models]
            calls = range(max(copies, len(windows)))
            shares = torch.stack([visits[call % copies][call % len(windows)] for call in calls]).double().mean((0, 1))
            note = "tails visited by " + " and ".join(f"{100 * share:.1f} %" for share in shares.tolist()) + " of tokens"
            predict = [m.predict for m in models]
        else:
            weights = [self.full_weight(hidden, precision) for _ in range(copies)]
            predict = [lambda x, w=w: torch.nn.functional.linear(x, w).argmax(-1) for w in weights]

        def step(call):
            with torch.inference_mode():
                predict[call % copies](windows[call % len(windows)])

        return step, copies, note

    def visit_tails(self, model, x):
        """Scales the head's rows of the clusters as the program for C# does; says which vectors visit which tail."""
        torch, shortlist = self.torch, self.sizes.cutoffs[0]
        with torch.no_grad():
            logits = torch.nn.functional.linear(x, model.head.weight).double()
            best = logits[:, :shortlist].max(1, keepdim=True).values
            ratios = (logits[:, shortlist:] / best).sort(0, descending=True).values
            for tail, share in enumerate(TAIL_SHARES):
                visitors = round(share * len(x))
                model.head.weight[shortlist + tail] /= ratios[visitors - 1 : visitors + 1, tail].mean()
            return torch.nn.functional.linear(x, model.head.weight)[:, shortlist:] > best

    def time(self, step, copies):
        torch = self.torch
        for call in range(2 * copies):
            step(call)
        self.synchronize()
        extra = None
        if self.is_cuda:
            # The warm-up left the gradients of these weights, so that they are part of what was there before.
            before = torch.cuda.memory_allocated()
            torch.cuda.reset_peak_memory_stats()
            step(0)
            self.synchronize()
            extra = torch.cuda.max_memory_allocated() - before
        one = self.time_run(step, 1)
        calls = max(1, min(10_000, int(20 / max(one, 1e-3))))
        times, start = [], time.perf_counter()
        while time.perf_counter() - start < self.arguments.seconds or len(times) < 5:
            times.append(self.time_run(step, calls))
        return statistics.median(times), min(times), extra

    def time_run(self, step, calls):
        """Milliseconds a step of a run of several."""
        if not self.is_cuda:
            start = time.perf_counter()
            for call in range(calls):
                step(call)
            return (time.perf_counter() - start) * 1e3 / calls
        first, last = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        first.record()
        for call in range(calls):
            step(call)
        last.record()
        last.synchronize()
        return first.elapsed_time(last) / calls

    def synchronize(self):
        if self.is_cuda:
            self.torch.cuda.synchronize()


def main():
    arguments = parse()
    check()
    try:
        import torch
    except ImportError:
        sys.exit("bench.py: PyTorch is not installed; install it, or run gpu-bench alone.")
    if arguments.device == "cuda" and not torch.cuda.is_available():
        sys.exit("bench.py: there is no CUDA device; --device cpu --quick shows that everything runs.")
    Bench(torch, arguments).run()


if __name__ == "__main__":
    main()
