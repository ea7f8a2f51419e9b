using AdaptiveSoftmax.Testing;
using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Tests.Fuzzing;

/// <summary>Damaged locks are compared or refused.</summary>
[MoreAtNight]
public sealed class SpecLockFuzzTests
{
    [Fact]
    public void Locks()
    {
        var definition = SoftmaxDefinitionReader.Read("news.softmax.json", """{ "hiddenSize": 8, "vocabulary": ["the", "of", "market", "bank", "river", "otter"], "cutoffs": [2, 4], "divValue": 2 }""").Definition!;
        string[] sound = [SpecLock.Of(definition).ToString(), SpecLock.Of(definition, runLength: 4).ToString()];
        DamagedInputs.Read(
            mutator => mutator.Next(4) == 0 ? mutator.Text(mutator.Any(sound)) : mutator.Json(mutator.Any(sound)),
            text => Assert.All(SpecLock.Read("news.softmax.lock.json", text).Compare(definition), line => Assert.DoesNotContain(line, char.IsControl)),
            exception => exception is ToolException,
            "news.softmax.lock.json");
    }
}
