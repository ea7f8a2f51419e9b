using System.Globalization;

namespace AdaptiveSoftmax.Generators.Tests;

/// <summary>
/// Tables at the border of what an assembly's string heap holds. Whether a class is past it depends on all annotated
/// classes of the assembly, and the program works on either side.
/// </summary>
public sealed class StringHeapTests
{
    /// <summary>The bytes of tables beside the one long token: entries, positions, pilots and the length before the token.</summary>
    private static readonly long s_otherBytes = SizeOf("one", 1000) - 1000;

    private const long Share = 100_000;

    [Theory]
    [InlineData(0, false)]
    [InlineData(1, true)]
    public void OneClass_IsWrittenByItsSize(int past, bool isConstantData)
    {
        var length = (int)(Share - s_otherBytes + past);
        Assert.Equal(Share + past, SizeOf("one", length));
        var run = new GeneratorRun(Program(["A"], length), Share, Files("a", "one", length));
        Assert.Equal([isConstantData], FormsOf(run));
        Assert.Equal(isConstantData ? ["ASMX3013"] : [], run.Reported.Select(diagnostic => diagnostic.Id));
        Assert.Equal("A ok;", run.Execute("ASMX3013"));
    }

    [Fact]
    public void SecondClassThatIsTooMuch_IsConstantData()
    {
        const int length = 60_000;
        var run = new GeneratorRun(Program(["A", "B"], length), Share, [.. Files("a", "one", length), .. Files("b", "two", length)]);
        Assert.Equal([false, true], FormsOf(run));
        Assert.Equal("A ok;B ok;", run.Execute("ASMX3013"));
    }

    [Fact]
    public void ClassesOfOneVocabulary_ShareTheirLiterals()
    {
        const int length = 60_000;
        var run = new GeneratorRun(Program(["A", "B"], length), Share, [.. Files("a", "one", length), .. Files("b", "one", length)]);
        Assert.Equal([false, false], FormsOf(run));
        Assert.Equal("A ok;B ok;", run.Execute());
    }

    [Fact]
    public void WholeShare_FitsIntoTheHeap()
    {
        var length = (int)(TableForms.StringHeapShare - s_otherBytes);
        var run = new GeneratorRun(Program(["A"], length), Files("a", "one", length));
        Assert.Equal([false], FormsOf(run));
        Assert.Equal("A ok;", run.Execute());
    }

    [Fact]
    public void WholeHeap_WouldNotFit()
    {
        // The reason for all this: the compiler refuses what is past the heap.
        const int length = 1 << 24;
        var run = new GeneratorRun(Program(["A"], length), long.MaxValue, Files("a", "one", length));
        using var stream = new MemoryStream();
        Assert.Equal(["CS8103"], run.Output.Emit(stream, cancellationToken: TestContext.Current.CancellationToken).Diagnostics.Select(diagnostic => diagnostic.Id).Distinct());
    }

    private static Microsoft.CodeAnalysis.AdditionalText[] Files(string name, string token, int length) =>
    [
        new TestFile($"/project/{name}.softmax.json", $$"""{ "hiddenSize": 16, "vocabulary": "{{name}}.tokens", "cutoffs": [1] }"""),
        new TestFile($"/project/{name}.tokens", Table(token, length)),
    ];

    private static string Table(string token, int length) =>
        string.Create(CultureInfo.InvariantCulture, $"0\t1\t{new string('a', length)}\n1\t0\t{token}\n");

    private static long SizeOf(string token, int length) =>
        LookupModel.Build(Vocabulary.TokenTableReader.Read("x", Table(token, length)).Table!, CancellationToken.None).Size;

    private static IEnumerable<bool> FormsOf(GeneratorRun run) =>
        run.Sources.Where(source => source.Key.Contains("Tables", StringComparison.Ordinal)).OrderBy(source => source.Key, StringComparer.Ordinal)
            .Select(source => source.Value.Contains("ReadOnlySpan<ulong>", StringComparison.Ordinal));

    private static string Program(string[] classes, int length) => $$"""
        {{string.Concat(classes.Select(name => $"[AdaptiveSoftmax.AdaptiveSoftmax(\"{name.ToLowerInvariant()}.softmax.json\")] internal sealed partial class {name};\n"))}}
        internal static class Program
        {
            public static string Run() => {{string.Join(" + ", classes.Select(name => $"Check(\"{name}\", {name}.Vocabulary.TryGetSlot(new string('a', {length.ToString(CultureInfo.InvariantCulture)}), out var {name}Long) && {name}Long.Slot == 0 && {name}.Vocabulary.GetToken({name}.Vocabulary.GetSlot(1).Slot).Length == 3 && !{name}.Vocabulary.TryGetSlot(new string('b', 3), out _))"))}};

            private static string Check(string name, bool isRight) => $"{name} {(isRight ? "ok" : "wrong")};";
        }
        """;
}
