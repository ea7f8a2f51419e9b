using Microsoft.CodeAnalysis;
using static AdaptiveSoftmax.Generators.TrackingNames;

namespace AdaptiveSoftmax.Generators.Tests;

/// <summary>What an edit re-runs, by the names of the steps.</summary>
public sealed class IncrementalTests
{
    private const string Source = """[AdaptiveSoftmax.AdaptiveSoftmax("x.softmax.json")] public sealed partial class X;""";
    private const string Spec = """{ "hiddenSize": 64, "vocabulary": "x.tokens", "cutoffs": [1, 3] }""";
    private const string Table = "10\t9\tthe\n3\t8\tcat\n7\t8\tsat\n1\t0\ton\n2\t0\tmat\n";

    private static readonly string[] s_all = [Classes, SpecTexts, Specs, TableTexts, Tables, Definitions, Models, Vocabularies, Lookups, TrackingNames.TableForms, ClassSources, TableSources];

    private readonly TestFile _spec = new("/project/x.softmax.json", Spec);
    private readonly TestFile _table = new("/project/x.tokens", Table);

    [Fact]
    public void FirstRun_RunsEveryStep()
    {
        var run = Start();
        foreach (var step in s_all) Assert.Equal([IncrementalStepRunReason.New], run.ReasonsOf(step));
        Assert.Equal(2, run.Sources.Count);
        Assert.Empty(run.Reported);
    }

    [Theory]
    [InlineData("added comment", "// A comment.\n" + Source)]
    [InlineData("another class", Source + "\npublic static class Other { public static int Value => 1; }")]
    [InlineData("member of the class", """[AdaptiveSoftmax.AdaptiveSoftmax("x.softmax.json")] public sealed partial class X { public int Value => 1; }""")]
    [InlineData("documentation", "/// <summary>Words.</summary>\n" + Source)]
    [InlineData("accessibility", """[AdaptiveSoftmax.AdaptiveSoftmax("x.softmax.json")] internal partial class X;""")]
    public void EditOfUserCode_RunsNothing(string what, string source)
    {
        var edited = Start().WithSource(source);
        AssertUnchanged(edited, s_all);
        Assert.Empty(edited.Result.Diagnostics);
        Assert.True(edited.ReasonsOf(Lookups) is [IncrementalStepRunReason.Cached], what);
    }

    [Fact]
    public void ReferenceToTheGpuPackage_WritesTwoFilesMore()
    {
        var run = Start();
        Assert.Empty(run.ReasonsOf(GpuSources));
        var onGpu = run.WithReferences(GeneratorRun.GpuReferences);
        foreach (var step in s_all) AssertUnchanged(onGpu, step);
        Assert.Equal([IncrementalStepRunReason.Modified], onGpu.ReasonsOf(GpuReference));
        Assert.Equal(["X.Gpu.g.cs", "X.Tables.g.cs", "X.TensorCores.g.cs", "X.g.cs"], onGpu.Sources.Keys.Order(StringComparer.Ordinal));
        AssertUnchanged(onGpu.WithSource("// A comment.\n" + Source), [.. s_all, GpuReference, GpuSources, Friend]);
        var isInternal = onGpu.WithSource(Source.Replace("public", "internal", StringComparison.Ordinal));
        Assert.DoesNotContain(IncrementalStepRunReason.Modified, s_all.Append(GpuSources).SelectMany(isInternal.ReasonsOf));
        Assert.Equal([IncrementalStepRunReason.Modified], isInternal.ReasonsOf(Friend));
    }

    [Fact]
    public void UnrelatedFiles_RunNothing()
    {
        var run = Start().WithFiles(_spec, _table, new TestFile("/project/notes.txt", "x"), new TestFile("/project/other/x.tokens", "x"));
        AssertUnchanged(run, s_all);
    }

    [Fact]
    public void WhiteSpaceInTheSpec_ChangesNoDefinition()
    {
        var run = Start().WithFiles(new TestFile(_spec.Path, Spec.Replace(" ", "\r\n\t", StringComparison.Ordinal)), _table);
        Assert.Equal([IncrementalStepRunReason.Modified], run.ReasonsOf(SpecTexts));
        AssertUnchanged(run, Classes, TableTexts, Tables, Definitions, Models, Vocabularies, Lookups, TrackingNames.TableForms, ClassSources, TableSources);
    }

    [Fact]
    public void OrderOfMembers_ChangesNoDefinition()
    {
        var run = Start().WithFiles(new TestFile(_spec.Path, """{ "cutoffs": [1, 3], "vocabulary": "x.tokens", "hiddenSize": 64 }"""), _table);
        AssertUnchanged(run, Definitions, Models, Lookups, ClassSources, TableSources);
    }

    [Fact]
    public void SameContentInNewObjects_IsNotReadAgain()
    {
        var run = Start().WithFiles(new TestFile(_spec.Path, Spec), new TestFile(_table.Path, Table));
        foreach (var step in s_all) Assert.Equal([IncrementalStepRunReason.Cached], run.ReasonsOf(step));
    }

    [Fact]
    public void LineEndsOfTheTable_ChangeNoVocabulary()
    {
        var run = Start().WithFiles(_spec, new TestFile(_table.Path, "\uFEFF" + Table.Replace("\n", "\r\n", StringComparison.Ordinal)));
        AssertUnchanged(run, Tables, Definitions, Models, Lookups, ClassSources, TableSources);
    }

    [Fact]
    public void CountsThatKeepTheOrder_LeaveSourcesAlone()
    {
        var run = Start().WithFiles(_spec, new TestFile(_table.Path, Table.Replace("\t9\t", "\t99\t", StringComparison.Ordinal)));
        Assert.Equal([IncrementalStepRunReason.Modified], run.ReasonsOf(Tables));
        AssertUnchanged(run, Lookups, ClassSources, TableSources);
    }

    [Fact]
    public void VocabularyReordered_ModifiesOutput()
    {
        var run = Start().WithFiles(_spec, new TestFile(_table.Path, "3\t9\tcat\n10\t8\tthe\n7\t8\tsat\n1\t0\ton\n2\t0\tmat\n".Replace("10\t8", "4\t8", StringComparison.Ordinal)));
        AssertModified(run, Tables, Definitions, Models, Vocabularies, Lookups, ClassSources, TableSources);
    }

    [Fact]
    public void IdChanged_ModifiesOutput()
    {
        var run = Start().WithFiles(_spec, new TestFile(_table.Path, Table.Replace("10\t", "11\t", StringComparison.Ordinal)));
        AssertModified(run, Tables, Definitions, Models, Vocabularies, Lookups, ClassSources, TableSources);
        Assert.NotEqual(Start().Sources["X.Tables.g.cs"], run.Sources["X.Tables.g.cs"]);
    }

    [Theory]
    [InlineData("\"cutoffs\": [1, 3]", "\"cutoffs\": [1, 4]")]
    [InlineData("\"hiddenSize\": 64", "\"hiddenSize\": 128")]
    [InlineData("\"hiddenSize\": 64", "\"hiddenSize\": 64, \"headBias\": true")]
    [InlineData("\"hiddenSize\": 64", "\"hiddenSize\": 64, \"seed\": 7")]
    public void SizesChanged_ModifyTheClassAndLeaveTheTablesAlone(string before, string after)
    {
        var run = Start().WithFiles(new TestFile(_spec.Path, Spec.Replace(before, after, StringComparison.Ordinal)), _table);
        AssertModified(run, Specs, Definitions, Models, ClassSources);
        AssertUnchanged(run, Tables, Vocabularies, TrackingNames.TableForms, TableSources);
        Assert.Equal([IncrementalStepRunReason.Cached], run.ReasonsOf(Lookups));
        Assert.NotEqual(Start().Sources["X.g.cs"], run.Sources["X.g.cs"]);
    }

    [Fact]
    public void ErrorThatMoves_DoesNotReemitOtherClasses()
    {
        const string source = Source + """[AdaptiveSoftmax.AdaptiveSoftmax("y.softmax.json")] public sealed partial class Y;""";
        var run = new GeneratorRun(source, _spec, _table, new TestFile("/project/y.softmax.json", "{ \"cutoff\": 1 }"));
        Assert.NotEmpty(run.Result.Diagnostics);
        var edited = run.WithFiles(_spec, _table, new TestFile("/project/y.softmax.json", "{\n \"cutoff\": 1 }"));
        Assert.Contains(IncrementalStepRunReason.Modified, edited.ReasonsOf(Errors));
        AssertUnchanged(edited, Classes, Models, Lookups, ClassSources, TableSources);
    }

    [Fact]
    public void SecondClass_LeavesTheFirstAlone()
    {
        var run = Start().WithSource(Source + """[AdaptiveSoftmax.AdaptiveSoftmax("x.softmax.json")] public sealed partial class Y;""");
        Assert.Equal([IncrementalStepRunReason.Cached, IncrementalStepRunReason.New], run.ReasonsOf(Lookups));
        Assert.Equal(4, run.Sources.Count);
    }

    private GeneratorRun Start() => new(Source, _spec, _table);

    private static void AssertUnchanged(GeneratorRun run, params string[] steps)
    {
        foreach (var step in steps)
        {
            Assert.NotEmpty(run.ReasonsOf(step));
            Assert.All(run.ReasonsOf(step), reason => Assert.True(reason is IncrementalStepRunReason.Cached or IncrementalStepRunReason.Unchanged, $"{step} was {reason}"));
        }

        // Where the sources' steps stand still, so do the outputs.
        if (!steps.Contains(ClassSources) || !steps.Contains(TableSources)) return;
        var outputs = run.Result.TrackedOutputSteps.Values.SelectMany(list => list).SelectMany(step => step.Outputs).Where(output => output.Value is not null);
        if (run.Result.Diagnostics.IsEmpty) Assert.All(outputs, output => Assert.True(output.Reason is IncrementalStepRunReason.Cached or IncrementalStepRunReason.Unchanged));
    }

    private static void AssertModified(GeneratorRun run, params string[] steps)
    {
        foreach (var step in steps) Assert.Equal([IncrementalStepRunReason.Modified], run.ReasonsOf(step));
    }
}
