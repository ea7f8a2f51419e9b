"""Writes projection_widths.txt: hidden size, div value, cluster and PyTorch's projection width, one case a line.

The rule is that of torch.nn.AdaptiveLogSoftmaxWithLoss, whose arithmetic is Python's own, so no torch is needed:
    python3 projection_widths.py > projection_widths.txt
"""
import math
import random


def width(hidden, div_value, cluster):
    return int(hidden // (div_value ** (cluster + 1)))


def cases():
    yield from [(512, 1.6, 0), (11, 1.1, 0), (512, 4.0, 0), (512, 4.0, 4), (512, 4.0, 5), (1, 1.0, 7), (100, 0.5, 3)]
    # Every pair whose width differs from the floor of the plain quotient, and as many others at random.
    random.seed(20)
    traps = []
    for hidden in list(range(1, 130)) + [256, 300, 400, 512, 640, 768, 1000, 1024, 2048, 4096]:
        for tenths in range(3, 80):
            for cluster in range(4):
                div_value = tenths / 10
                if width(hidden, div_value, cluster) != math.floor(hidden / div_value ** (cluster + 1)):
                    traps.append((hidden, div_value, cluster))
    yield from random.sample(traps, min(len(traps), 400))
    for _ in range(400):
        yield random.randint(1, 8192), round(random.uniform(0.3, 9), random.randint(1, 6)), random.randint(0, 9)


for hidden, div_value, cluster in cases():
    print(hidden, repr(div_value), cluster, width(hidden, div_value, cluster))
