namespace AdaptiveSoftmax.Generators.Tests;

/// <summary>Generated files have names of their own, whatever classes are called.</summary>
public sealed class FileNameTests
{
    private static readonly TestFile s_spec = new("/project/x.softmax.json", """{ "hiddenSize": 4, "vocabulary": ["a", "b"], "cutoffs": [1] }""");

    [Theory]
    [InlineData("{0} partial class Shop { {0} partial class Gpu; }", 2)]
    [InlineData("{0} partial class Shop { {0} partial class gpu { {0} partial class G; } }", 3)]
    [InlineData("{0} partial class ILGPURuntime;", 1)]
    [InlineData("{0} partial class ilgpuruntime; partial struct ILGPURuntime<T> { {0} partial class G; }", 2)]
    [InlineData("{0} partial class News; {0} partial class NEWS; {0} partial class news;", 3)]
    [InlineData("{0} partial class News; {0} partial class NEWS; namespace News_2 { {0} partial class G; }", 3)]
    [InlineData("partial class Pair<T, U> { {0} partial class A; } partial class Pair { {0} partial class A; } partial class pair<T, U> { {0} partial class a; }", 3)]
    [InlineData("namespace A.B { {0} partial class C; } namespace A { partial class B2; {0} partial class B_C; } partial class A_B { {0} partial class C; }", 3)]
    [InlineData("namespace A { partial class B<T> { {0} partial class Gpu; } {0} partial class B; }", 2)]
    [InlineData("{0} partial class e\u0301; {0} partial class \u00e9; {0} partial class a\u203Fb;", 3)]
    [InlineData("{0} partial class K; {0} partial class \u212A;", 2)]
    public void Classes_AreAllCompleted(string program, int count)
    {
        var source = "#pragma warning disable CS8981\n" + program.Replace("{0}", "[AdaptiveSoftmax.AdaptiveSoftmax(\"x.softmax.json\")] internal", StringComparison.Ordinal);
        var run = new GeneratorRun(source, s_spec).WithReferences(GeneratorRun.GpuReferences);
        run.Emit();
        Assert.Equal((4 * count) + 1, run.Sources.Count);
        Assert.Equal(run.Sources.Count, run.Sources.Keys.Distinct(StringComparer.OrdinalIgnoreCase).Count());
    }
}
