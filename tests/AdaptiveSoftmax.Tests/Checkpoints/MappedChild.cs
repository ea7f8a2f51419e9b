using System.Runtime.CompilerServices;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Checkpoints;

/// <summary>
/// What this executable does instead of testing when <see cref="MappedFileTests"/> starts it: decode over a file that is
/// mapped while others write to it, which may end a process. It says that it is <c>mapped</c>, decodes until a file named
/// <c>{path}.stop</c> is there, decodes once more, and says how many results were not the first one.
/// </summary>
internal static class MappedChild
{
    public const string PathVariable = "ADAPTIVE_SOFTMAX_MAPPED_TEST_PATH";

    public static readonly SoftmaxLayout Layout = SoftmaxLayout.Create(256, 30_000, [2_000, 10_000]);

    // Threads of its own would wait for the end of this initializer.
    [ModuleInitializer]
    internal static void RunIfAsked()
    {
        if (Environment.GetEnvironmentVariable(PathVariable) is not { } path) return;
        using var layer = DynamicAdaptiveSoftmax.Load(path, Layout, MemoryMapping.On, new AdaptiveSoftmaxOptions { Threads = 2 });
        float[] hidden = [.. Enumerable.Range(0, Layout.HiddenSize).Select(i => MathF.Sin(i))];
        float[] expected = new float[Layout.VocabularySize], output = new float[Layout.VocabularySize];
        layer.LogProb(hidden, expected);
        Console.Out.WriteLine(File.ReadAllText("/proc/self/maps").Contains(path, StringComparison.Ordinal) ? "mapped" : "not mapped");
        Console.Out.Flush();
        var others = 0;
        for (var isLast = false; !isLast;)
        {
            isLast = File.Exists(path + ".stop");
            layer.LogProb(hidden, output);
            if (!expected.AsSpan().SequenceEqual(output)) others++;
        }

        Console.Out.WriteLine($"{others} others");
        Console.Out.Flush();
        Environment.Exit(0);
    }
}
