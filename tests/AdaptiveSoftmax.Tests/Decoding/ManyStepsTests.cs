using AdaptiveSoftmax.Testing;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests;

/// <summary>Decoding that goes on takes no more memory. Alone, since it looks at that of the process.</summary>
[MoreAtNight]
[Collection(Alone.Name)]
public sealed class ManyStepsTests
{
    [Fact]
    public void Steps_TakeNoMoreMemoryAsTheyGoOn()
    {
        const int HiddenSize = 16;
        const int Rows = 64;
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(HiddenSize, 2_000, [100, 500], [8, 4]), seed: 3, new AdaptiveSoftmaxOptions { Threads = 2 });
        using var session = layer.CreateSession();
        var random = new Random(4);
        float[] hidden = [.. Enumerable.Range(0, Rows * HiddenSize).Select(_ => (float)((8 * random.NextDouble()) - 4))];
        DecodeSequence[] sequences = [.. new[] { DecodeOptions.Greedy, DecodeOptions.Default, new DecodeOptions { TopP = 0.9f, PresencePenalty = 1 }, new DecodeOptions { TopK = 40, TopLogProbs = 5 } }.Select(options => new DecodeSequence(layer, options, seed: 4))];
        SteadyMemory.Of(Nightly.Count(20_000, 1_000_000), step =>
        {
            var row = hidden.AsSpan(step % Rows * HiddenSize, HiddenSize);
            layer.Predict(row);
            session.Sample(row, sequences[step % sequences.Length]);
        });
    }
}

/// <summary>Tests that nothing else may run beside.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    public const string Name = nameof(Alone);
}
