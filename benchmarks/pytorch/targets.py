"""Targets of the GPU benchmark, the same numbers on every machine and in C# (AdaptiveSoftmax.GpuBench, ZipfTargets).

Definition. All integers are unsigned 64-bit and wrap around; all fractions are IEEE 754 doubles.

    mix(n):      z = seed + (n + 1) * 0x9E3779B97F4A7C15
                 z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
                 z = (z ^ (z >> 27)) * 0x94D049BB133111EB
                 mix = z ^ (z >> 31)                      (output n of SplitMix64 started with seed)
    target t:    percent = ((mix(2t) >> 32) * 100) >> 32  (0 to 99)
                 cluster = 0 below 85, 1 below 95, else 2
                 u = (mix(2t + 1) >> 11) / 2^53           (in [0, 1), exact)
                 k = the smallest k with H[k] > u * H[size - 1], at most size - 1
                 target = first class of the cluster + k

H[k] = 1/1 + 1/2 + ... + 1/(k + 1), added from the left, each term divided and each sum rounded as a double: inside a
cluster the token of rank r has a share proportional to 1/r, Zipf's law. Cluster 0 is the shortlist.

Test vector, seed 1, vocabulary 262,144, cutoffs 8,192 and 40,960: FIRST_TARGETS are the first sixteen, and the first
8,192 add up to SUM_OF_8192.
"""

from bisect import bisect_right
from itertools import accumulate

SEED = 1
CLUSTER_PERCENT = (85, 95, 100)  # upper ends: 85 % shortlist, 10 % first tail, 5 % second tail
MASK = (1 << 64) - 1

FIRST_TARGETS = (715, 41131, 843, 8366, 1136, 185, 89, 2, 1394, 2701, 0, 1, 0, 526, 8016, 155)
SUM_OF_8192 = 39877333


def mix(seed, n):
    z = (seed + (n + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def zipf_targets(count, vocabulary, cutoffs, seed=SEED):
    """A list of `count` classes in [0, vocabulary); `cutoffs` are two."""
    ends = [*cutoffs, vocabulary]
    starts = [0, *cutoffs]
    harmonic = [list(accumulate(1.0 / rank for rank in range(1, end - start + 1))) for start, end in zip(starts, ends)]
    targets = []
    for t in range(count):
        percent = ((mix(seed, 2 * t) >> 32) * 100) >> 32
        cluster = next(i for i, end in enumerate(CLUSTER_PERCENT) if percent < end)
        sums = harmonic[cluster]
        fraction = (mix(seed, 2 * t + 1) >> 11) / 2.0**53
        targets.append(starts[cluster] + min(bisect_right(sums, fraction * sums[-1]), len(sums) - 1))
    return targets


def check():
    """Raises if this Python does not produce the test vector."""
    targets = zipf_targets(8192, 262144, (8192, 40960))
    if tuple(targets[:16]) != FIRST_TARGETS or sum(targets) != SUM_OF_8192:
        raise AssertionError(f"targets differ from the test vector: {targets[:16]}, sum {sum(targets)}")
