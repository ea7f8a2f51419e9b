namespace AdaptiveSoftmax.Vocabulary.Tests.Planning;

/// <summary>What a step costs, written down once more from its description: slowly, and without the library's arithmetic.</summary>
internal sealed class CostReference(long[] counts, int hiddenSize, SoftmaxCostModel model, bool isBlock = false)
{
    // Of so few rows as here 256 tokens are computed together, and what is left of them is a block of its own.
    private const int Block = 256;

    private readonly double[] _shares = Shares(counts);

    public double Of(int[] cutoffs, Func<int, int> widthOf)
    {
        // A server decodes greedily in one step and draws in the next.
        if (model.Use == SoftmaxUse.Serving) return (As(SoftmaxUse.Greedy).Of(cutoffs, widthOf) + As(SoftmaxUse.Sampling).Of(cutoffs, widthOf)) / 2;
        if (IsCut) return ((model.Batch / Block) * Part(Block).Of(cutoffs, widthOf)) + (model.Batch % Block == 0 ? 0 : Part(model.Batch % Block).Of(cutoffs, widthOf));
        var tails = cutoffs.Select((start, i) => (Start: start, End: i + 1 < cutoffs.Length ? cutoffs[i + 1] : counts.Length, Width: widthOf(i)));
        var headRows = cutoffs[0] + cutoffs.Length;
        if (model.Use == SoftmaxUse.Training) return Head(headRows, 0) + tails.Sum(tail => Tail(tail.Start, tail.End, tail.Width, 0));

        // Whatever set of the other tails is visited between two readings of a cluster, the largest of them lies between.
        var clusters = tails.Select(tail => (Floats: (double)tail.Width * (hiddenSize + tail.End - tail.Start), Chance: ChanceOfStep(tail.Start, tail.End), Cost: (Func<double, double>)(between => Tail(tail.Start, tail.End, tail.Width, (headRows * hiddenSize) + between))))
            .Prepend((Floats: (double)headRows * hiddenSize, Chance: 1.0, Cost: (Func<double, double>)(between => Head(headRows, between))))
            .ToArray();
        var sum = 0.0;
        for (var own = 0; own < clusters.Length; own++)
        {
            if (clusters[own].Chance == 0)
            {
                sum += clusters[own].Cost(0);
                continue;
            }

            var others = Enumerable.Range(1, cutoffs.Length).Where(other => other != own).ToArray();
            for (var set = 0; set < 1 << others.Length; set++)
            {
                var (chance, between) = (1.0, 0.0);
                for (var i = 0; i < others.Length; i++)
                {
                    var (p, q) = (clusters[others[i]].Chance, clusters[own].Chance);
                    // The steps from one visit to the next end with a visit: other steps come before it as long as they are none.
                    var isBetween = 1 - ((1 - p) * q / (1 - ((1 - p) * (1 - q))));
                    chance *= ((set >> i) & 1) != 0 ? isBetween : 1 - isBetween;
                    if (((set >> i) & 1) != 0) between = Math.Max(between, clusters[others[i]].Floats);
                }

                if (chance > 0) sum += chance * clusters[own].Cost(between);
            }
        }

        return sum;
    }

    public double Full() => model.Use == SoftmaxUse.Serving ? (As(SoftmaxUse.Greedy).Full() + As(SoftmaxUse.Sampling).Full()) / 2
        : IsCut ? ((model.Batch / Block) * Part(Block).Full()) + (model.Batch % Block == 0 ? 0 : Part(model.Batch % Block).Full())
        : Head(counts.Length, 0);

    private bool IsCut => model.Use != SoftmaxUse.Training && model.Machine.Device is null && model.Batch > Block;

    private bool IsOneByOne => model.Use == SoftmaxUse.Greedy && model.Batch < 8 && model.Machine.Device is null && !isBlock;

    private CostReference Part(int tokens) => new(counts, hiddenSize, model with { Batch = tokens }, isBlock: true);

    public double Bytes(int[] cutoffs, Func<int, int> widthOf) => 4.0 * (((cutoffs[0] + cutoffs.Length) * hiddenSize)
        + cutoffs.Select((start, i) => widthOf(i) * (hiddenSize + (i + 1 < cutoffs.Length ? cutoffs[i + 1] : counts.Length) - start)).Sum());

    private CostReference As(SoftmaxUse use) => new(counts, hiddenSize, model with { Use = use });

    // Of n tokens k (1 + ln(n / k)) are kept on the way, with a logarithm that is straight between powers of two.
    private double Selection(double rows)
    {
        if (model.Use != SoftmaxUse.TopK) return 0;
        var kept = Math.Min(model.TopK, rows);
        var power = Math.Floor(Math.Log2(rows / kept));
        return model.Machine.SelectionTime * kept * (1 + (Math.Log(2) * (power + (rows / kept / Math.Pow(2, power)) - 1)));
    }

    private double Head(double rows, double between)
    {
        var machine = model.Machine;
        if (model.Use == SoftmaxUse.Training) return machine.TrainingHeadTime + (rows * (Row(machine.Training, hiddenSize, model.Batch) + (hiddenSize * machine.UpdateTime)));
        var isOnDevice = machine.Device is not null;
        if (IsOneByOne)
            return model.Batch * (machine.DecodingHeadTime + machine.GreedyCallTime + Math.Max(rows * Row(machine.Greedy, hiddenSize, 1), Read(rows * hiddenSize, (rows * hiddenSize) + between)));
        var together = model.Use == SoftmaxUse.Greedy && !isOnDevice ? Math.Max(16, model.Batch) : model.Batch;
        if (isBlock && model.Use != SoftmaxUse.Greedy) together = Math.Max(2, together);
        var call = model.Use switch
        {
            SoftmaxUse.Greedy => machine.GreedyCallTime,
            SoftmaxUse.TopK => machine.TopKCallTime + (model.TopK * machine.CandidateTime),
            _ => machine.SamplingCallTime,
        };
        return (model.Batch > 1 || isBlock ? machine.BatchHeadTime : machine.DecodingHeadTime + call) + (model.Batch * Selection(rows)) + Math.Max(rows * Row(model.Use, hiddenSize, together), Read(rows * hiddenSize, (rows * hiddenSize) + between));
    }

    private double Tail(int start, int end, int width, double between)
    {
        var machine = model.Machine;
        var chance = Chance(_shares[start..end].Sum());
        var isOnDevice = machine.Device is not null;
        if (chance <= 0) return isOnDevice ? Launches() : 0;
        var size = end - start;
        if (model.Use == SoftmaxUse.Training)
        {
            var (visited, tokens) = Visits(chance);
            var products = (width * Row(machine.Training, hiddenSize, tokens)) + (size * Row(machine.Training, width, tokens));
            return (isOnDevice ? Launches() : visited * machine.TrainingTailTime) + (visited * (products + (machine.UpdateTime * width * (hiddenSize + size))));
        }

        var isSingle = IsOneByOne;
        var (visits, together) = isSingle ? (model.Batch * chance, 1) : Visits(chance);
        var selection = together * Selection(size);
        if (!isSingle && (model.Batch > 1 || isBlock)) together = Math.Max(model.Use == SoftmaxUse.Greedy && !isOnDevice ? 16 : 2, together);
        return (isOnDevice ? Launches() : visits * (isSingle || (model.Batch == 1 && !isBlock) ? machine.DecodingTailTime : machine.BatchTailTime)) + (visits * (selection
            + Math.Max(width * Row(model.Use, hiddenSize, together), Read(width * hiddenSize, (width * (hiddenSize + size)) + between))
            + Math.Max(size * Row(model.Use, width, together), Read(size * width, (width * (hiddenSize + size)) + between))));

        // A device waits for the launches of a tail that nothing visits.
        double Launches() => model.Use == SoftmaxUse.Training ? machine.TrainingTailTime : model.Batch > 1 ? machine.BatchTailTime : machine.DecodingTailTime;
    }

    private double ChanceOfStep(int start, int end)
    {
        var chance = Chance(_shares[start..end].Sum());
        return chance <= 0 ? 0 : IsOneByOne ? chance : Visits(chance).Visited;
    }

    private (double Visited, double Tokens) Visits(double chance)
    {
        var visited = 1 - Math.Pow(1 - chance, model.Batch);
        if (visited <= 0) visited = chance * model.Batch;
        return (visited, model.Batch * chance / visited);
    }

    private double Chance(double share)
    {
        var descending = counts.OrderDescending().Select(count => (double)count).ToArray();
        var total = descending.Sum();
        var rival = total == 0 ? 0 : descending[Math.Min(descending.Length, model.Use == SoftmaxUse.TopK ? model.TopK : 1) - 1] / total;
        var excess = Math.Max(0, share - rival);
        var greedy = share + ((1 - share) * excess / (1 + excess));
        return share <= 0 ? 0 : model.Use switch
        {
            SoftmaxUse.Greedy => greedy,
            SoftmaxUse.TopK => share + ((1 - share) * share / (share + rival)),
            _ => share,
        };
    }

    // Of four bytes each; from 64 to 4,096 of them the rate falls along a straight line.
    private double Read(double weights, double together)
    {
        var bytes = 4 * together;
        var (near, far) = (model.Machine.Memory.GigabytesPerSecond[0], model.Machine.Memory.GigabytesPerSecond[1]);
        var rate = bytes <= 64 ? near : bytes >= 4096 ? far : near - ((near - far) * (bytes - 64) / (4096 - 64));
        return 4 * weights / rate;
    }

    private double Row(SoftmaxUse use, double width, double tokens) =>
        Row(use switch { SoftmaxUse.Greedy => model.Machine.Greedy, SoftmaxUse.TopK => model.Machine.TopK!, _ => model.Machine.Sampling! }, width, tokens);

    // Straight lines through the four neighbours, in proportion beyond the last ones.
    private static double Row(ProductTimes times, double width, double tokens)
    {
        double At(int w, int b) => times.Nanoseconds[(w * times.Batches.Count) + b];
        double Over(EquatableArray<int> entries, double value, Func<int, double> at)
        {
            if (value <= entries[0]) return at(0);
            var last = entries.Count - 1;
            if (value >= entries[last]) return at(last) * value / entries[last];
            var next = Enumerable.Range(0, entries.Count).First(i => entries[i] > value);
            var part = (value - entries[next - 1]) / (entries[next] - entries[next - 1]);
            return ((1 - part) * at(next - 1)) + (part * at(next));
        }

        return Over(times.Widths, width, w => Over(times.Batches, tokens, b => At(w, b)));
    }

    private static double[] Shares(long[] counts)
    {
        var total = counts.Sum(count => (double)count);
        var unseen = counts.Count(count => count == 0);
        var unseenShare = unseen == 0 ? 0 : total == 0 ? 1 : Math.Min(0.5, counts.Count(count => count == 1) / total);
        return [.. counts.Select(count => count > 0 ? (1 - unseenShare) * count / total : unseenShare / unseen)];
    }
}
