using System.Globalization;
using System.Runtime.InteropServices;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Distributed.Tests;

/// <summary>Trains a softmax whose rows are cut over the ranks, and decodes with it.</summary>
internal static class VocabularyProgram
{
    public const int Hidden = 12;

    /// <summary>Blocks of more than one tile of rows, of one, and a tail that every rank has.</summary>
    public static SoftmaxLayout Layout { get; } = SoftmaxLayout.Create(Hidden, 1300, [150, 1100, 1260], [7, 5, 3], hasHeadBias: true);

    public static VocabularyPlan Plan { get; } = new() { CutsHead = true, CutsTails = [true, true, false], Blocks = 6 };

    public static AdaptiveSoftmaxOptions Options { get; } = new() { Threads = 1 };

    public static VocabularyParallel Create(Collectives collectives, ulong seed = 4, SoftmaxLayout? layout = null, VocabularyPlan? plan = null) =>
        new(collectives, layout ?? Layout, seed, plan ?? Plan, Options);

    /// <summary>The batch of a step: many tokens or few, with and without a target in each tail.</summary>
    public static (float[] Hidden, int[] Targets) Batch(int step, int vocabulary = 1300)
    {
        var random = new Random(step);
        var tokens = step % 5 == 4 ? 3 : 21;
        var hidden = new float[tokens * Hidden];
        foreach (ref var value in hidden.AsSpan()) value = (float)(random.NextDouble() - 0.5) * 4;
        var limit = step % 3 == 2 ? 1100 : vocabulary;
        var targets = new int[tokens];
        for (var token = 0; token < tokens; token++)
            targets[token] = random.Next(6) == 0 ? -100 : random.Next(3) == 0 ? random.Next(150) : random.Next(Math.Min(limit, vocabulary));
        return (hidden, targets);
    }

    /// <summary>The head on every rank, and a tail too.</summary>
    public static VocabularyPlan TailsPlan { get; } = Plan with { CutsHead = false };

    /// <summary>Trains, and tells the bits of losses, gradients, norms and weights.</summary>
    /// <param name="collectives">The ranks.</param>
    /// <param name="steps">The steps.</param>
    /// <param name="plan">What is cut.</param>
    /// <param name="isGathered">Whether each rank has some of the tokens, and not all of them.</param>
    public static string Run(Collectives collectives, int steps, VocabularyPlan? plan = null, bool isGathered = false)
    {
        using var softmax = Create(collectives, plan: plan);
        using var optimizer = new AdamW(0.01) { Threads = 1 };
        var losses = new List<double>();
        var gradients = new List<float>();
        for (var step = 0; step < steps; step++) Step(softmax, optimizer, step, losses, gradients, isGathered);
        var (hidden, _) = Batch(0);
        var predictions = new int[hidden.Length / Hidden];
        softmax.Predict(hidden, predictions);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"losses {Digest<double>(CollectionsMarshal.AsSpan(losses))} gradients {Digest<float>(CollectionsMarshal.AsSpan(gradients))} weights {Digest<float>(Weights(collectives, softmax))} predictions {string.Join(',', predictions)} first {losses[0]:R} last {losses[^2]:R}");
    }

    /// <summary>One step, whose loss, norm and gradient of the hidden vectors are kept.</summary>
    public static void Step(VocabularyParallel softmax, Optimizer optimizer, int step, List<double> losses, List<float> gradients, bool isGathered = false)
    {
        var (hidden, targets) = Batch(step);
        var gradient = new float[hidden.Length];
        var options = new LossOptions { LabelSmoothing = step % 4 == 3 ? 0.1f : 0 };
        if (isGathered)
        {
            var (first, end) = OwnTokens(softmax.Collectives, targets.Length);
            var own = gradient[(first * Hidden)..(end * Hidden)];
            losses.Add(softmax.BackwardGathered(hidden.AsSpan(first * Hidden, own.Length), targets.AsSpan(first, end - first), own, options));
            gradient = softmax.Collectives.AllGatherUneven<float>(own, out _);
        }
        else
        {
            losses.Add(softmax.Backward(hidden, targets, gradient, options));
        }

        losses.Add(softmax.ClipByGlobalNorm(0.5));
        gradients.AddRange(gradient);
        softmax.Step(optimizer);
    }

    /// <summary>The tokens of a rank, of very different numbers: the first of four has one of 21, or none of 3.</summary>
    public static (int First, int End) OwnTokens(Collectives ranks, int tokens)
    {
        return (EndOf(ranks.Rank), EndOf(ranks.Rank + 1));

        int EndOf(int rank) => tokens * rank * rank / (ranks.Size * ranks.Size);
    }

    /// <summary>The weights of the whole, put together from all ranks tensor by tensor.</summary>
    public static float[] Weights(Collectives collectives, VocabularyParallel softmax)
    {
        var result = new List<float>();
        foreach (var tensor in softmax.Parameters.GroupBy(parameter => parameter.Name.Split('[')[0]))
        {
            var isCut = tensor.First().Name.EndsWith(']');
            float[] own = [.. tensor.SelectMany(parameter => parameter.Values.ToArray())];
            result.AddRange(isCut ? collectives.AllGatherUneven<float>(own, out _) : own);
        }

        return [.. result];
    }

    public static string Digest<T>(ReadOnlySpan<T> values)
        where T : unmanaged => SumProgram.Digest(MemoryMarshal.Cast<T, float>(values));
}
