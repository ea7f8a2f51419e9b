namespace AdaptiveSoftmax.Generators.Tests;

/// <summary>Where a spec is missing or wrong, its one error is all that the compiler says of the program.</summary>
public sealed class StandInTests
{
    private const string Program = """
        using AdaptiveSoftmax;
        using ILGPU.Runtime;

        [AdaptiveSoftmax("x.softmax.json")]
        internal sealed partial class X;

        internal static class Program
        {
            private const int Blocks = 100 / X.ShortlistSize + 100 / X.HiddenSize + X.VocabularySize + X.TailCount;

            public static string Run(Accelerator accelerator)
            {
                using var softmax = X.Create(seed: 1);
                using var again = X.Load("x.safetensors");
                using var device = X.Create(accelerator);
                using var small = softmax.Quantize();
                X.Vocabulary.TryGetSlot("a"u8, out var slot);
                return X.Fingerprint + X.Cutoffs.Length + slot + softmax.Head.Weight.Rows + softmax.Tail0.Output.Rows + softmax.Tail1.Output.Rows + device.Tail1.Output.Rows + softmax.Predict(new float[X.HiddenSize]) + Blocks;
            }
        }
        """;

    [Theory]
    [InlineData("""{ "hiddenSize": 64, "vocabulary": ["a", "b", "c", "d"], "cutoffs": [1, 4] }""", "ASMX2012")]
    [InlineData("""{ "hiddenSize": 64, "vocabulary": "x.tokens", "cutoffs": [1, 9] }""", "ASMX2012")]
    [InlineData("""{ "hiddenSize": 0, "vocabulary": ["a", "b", "c", "d"], "cutoffs": [1, 2] }""", "ASMX2007")]
    [InlineData("""{ "hiddenSize": 64, "vocabulary": "y.tokens", "cutoffs": [1, 2] }""", "ASMX2017")]
    [InlineData("""{ "hiddenSize": 64, "vocabulary": "X.tokens", "cutoffs": [] }""", "ASMX2009")]
    [InlineData("""{ "hiddenSize": 64, "vocabulary": ["a", "a", "c", "d"], "cutoffs": [1, 2] }""", "ASMX3003")]
    [InlineData("""{ "hiddenSize": 4, "vocabulary": ["a", "b", "c", "d"], "cutoffs": [1, 2] }""", "ASMX2014")]
    [InlineData("""{ "hiddenSize": 64, "vocabulary": ["a", "b", "c"], "cutoffs": [1, 2]""", "ASMX2001")]
    [InlineData("", "ASMX2001")]
    public void WrongSpec_IsTheOnlyErrorOfTheProgram(string spec, string id)
    {
        var run = new GeneratorRun(Program, new TestFile("/project/x.softmax.json", spec), new TestFile("/project/x.tokens", "0\t4\ta\n1\t3\tb\n2\t2\tc\n3\t1\td\n")).WithReferences(GeneratorRun.GpuReferences);
        Assert.Equal(id, Assert.Single(run.Reported).Id);
        Assert.Empty(run.Compiled);
        Assert.Contains("This stands in for the class", run.Sources["X.g.cs"], StringComparison.Ordinal);
    }

    [Fact]
    public void MissingSpec_IsTheOnlyErrorOfTheProgram()
    {
        var run = new GeneratorRun(Program).WithReferences(GeneratorRun.GpuReferences);
        Assert.Equal("ASMX1010", Assert.Single(run.Reported).Id);
        Assert.Empty(run.Compiled);
    }

    [Fact]
    public void SeveralSpecs_AreTheOnlyErrorOfTheProgram()
    {
        const string spec = """{ "hiddenSize": 64, "vocabulary": ["a", "b", "c", "d"], "cutoffs": [1, 2] }""";
        var run = new GeneratorRun(Program, new TestFile("/project/a/x.softmax.json", spec), new TestFile("/project/b/x.softmax.json", spec)).WithReferences(GeneratorRun.GpuReferences);
        Assert.Equal("ASMX1011", Assert.Single(run.Reported).Id);
        Assert.Empty(run.Compiled);
    }

    [Fact]
    public void RightSpec_HasNoNoteOfAStandIn()
    {
        var run = new GeneratorRun(Program, new TestFile("/project/x.softmax.json", """{ "hiddenSize": 64, "vocabulary": ["a", "b", "c", "d"], "cutoffs": [1, 2] }"""));
        Assert.DoesNotContain("stands in", run.Sources["X.g.cs"], StringComparison.Ordinal);
    }
}
