using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace AdaptiveSoftmax.Generators.Tests;

/// <summary>
/// Whatever else the user's half of a class says, either the generated half compiles beside it, or one diagnostic at the
/// user's line says what is in the way.
/// </summary>
public sealed class ShapeTests
{
    private static readonly TestFile s_spec = new("/project/x.softmax.json", """{ "hiddenSize": 64, "vocabulary": ["a", "b", "c", "d"], "cutoffs": [1, 2], "precision": { "head": "bfloat16", "tails": ["int8", "int8"] } }""");

    public static TheoryData<string> Words =>
    [
        .. SyntaxFacts.GetKeywordKinds().Select(SyntaxFacts.GetText),
        .. SyntaxFacts.GetContextualKeywordKinds().Where(kind => kind is not (SyntaxKind.UnderscoreToken or SyntaxKind.AssemblyKeyword or SyntaxKind.ModuleKeyword)).Select(SyntaxFacts.GetText),
        "dynamic", "nint", "nuint", "nameof", "notnull", "e\u0301t\u203Fe",
    ];

    [Theory]
    [MemberData(nameof(Words))]
    public void AnyWord_MayNameClassNamespaceAndTypeParameter(string word)
    {
        if (!SyntaxFacts.IsValidIdentifier(word)) return;
        var run = new GeneratorRun(
            $$"""
            #pragma warning disable CS1591, CS8981
            namespace @{{word}}.@{{word}}2
            {
                public partial struct Outer<@{{word}}>
                {
                    [AdaptiveSoftmax.AdaptiveSoftmax("x.softmax.json")]
                    internal sealed partial class Inner;
                }

                [AdaptiveSoftmax.AdaptiveSoftmax("x.softmax.json")]
                internal sealed partial class @{{word}};
            }
            """, s_spec);
        // The kernels for a device are long, and hold few names that a class could hide.
        if (word is "var" or "record" or "field" or "nameof") run = run.WithReferences(GeneratorRun.GpuReferences);
        run.Emit();
    }

    [Theory]
    [InlineData("one that hides inherited members", "public new void Initialize(ulong seed) { } public static void Restore(string path) { } public new void Dispose() { }")]
    [InlineData("overloads", "public static X Create(string name) => Create(seed: (ulong)name.Length); public static X Load() => Create(); public static int FindSlot(string name) => 0; public int GetTokenId() => 1; private static void CreateZeros<T>(T value) { }")]
    [InlineData("overloads on a device", "public OnGpu ToGpu() => throw new System.NotSupportedException();")]
    [InlineData("generic types with names of generated ones", "public struct Tables<T>; public static class Vocabulary<T>; public sealed class Tail0Layer<T>;")]
    [InlineData("near names", "public int Tails; public int Tail; public int TailX; public int Tail0Extra; public int head; public int get_Heads() => 0;")]
    [InlineData("other kinds of members", "static X() { } ~X() { } public int this[int index] => index; public static X operator +(X left, X right) => left; public event System.EventHandler? Changed { add { } remove { } } public enum Kind { One }")]
    [InlineData("a constructor that calls the generated one", "public X() : this(new HeadLayer(), new Tail0Layer(), new Tail1Layer(), null) { }")]
    public void Members_StandBesideTheGeneratedOnes(string what, string members)
    {
        Assert.NotEmpty(what);
        var run = new GeneratorRun($$"""
            #pragma warning disable CS1591
            [AdaptiveSoftmax.AdaptiveSoftmax("x.softmax.json")]
            public partial class X { {{members}} }
            """, s_spec).WithReferences(GeneratorRun.GpuReferences);
        run.Emit();
    }

    [Theory]
    [InlineData("public partial class X : System.ICloneable, System.IComparable<X> { object System.ICloneable.Clone() => this; int System.IComparable<X>.CompareTo(X? other) => 0; }")]
    [InlineData("[System.Obsolete(\"Use another.\")] public sealed partial class X;")]
    [InlineData("[System.Diagnostics.CodeAnalysis.Experimental(\"X1\")] public sealed partial class X;")]
    [InlineData("public unsafe sealed partial class X { }")]
    [InlineData("public partial class X : AdaptiveSoftmax.AdaptiveSoftmaxLayer;")]
    [InlineData("internal partial class X { } internal partial class X { public int Value => 1; } public partial class Y { }")]
    public void Declarations_AreCompleted(string declaration)
    {
        var run = new GeneratorRun($"""
            #pragma warning disable CS1591
            [AdaptiveSoftmax.AdaptiveSoftmax("x.softmax.json")]
            {declaration}
            """, s_spec).WithReferences(GeneratorRun.GpuReferences);
        run.WithOptions(GeneratorRun.Options.WithAllowUnsafe(true)).Emit();
    }

    [Theory]
    [InlineData("public ref partial struct Outer")]
    [InlineData("public readonly partial struct Outer")]
    [InlineData("public readonly ref partial struct Outer")]
    [InlineData("public partial record Outer(int Value)")]
    [InlineData("public readonly partial record struct Outer(int Value)")]
    [InlineData("public static partial class Outer")]
    [InlineData("public abstract partial class Outer<T> where T : class, new()")]
    [InlineData("public partial class Outer(int value)")]
    [InlineData("public partial interface IOuter<T>")]
    public void ClassInAnotherType_IsCompleted(string outer)
    {
        foreach (var accessibility in new[] { "public", "internal", "private" })
        {
            var run = new GeneratorRun($$"""
                #pragma warning disable CS1591, CS9113
                {{outer}}
                {
                    [AdaptiveSoftmax.AdaptiveSoftmax("x.softmax.json")]
                    {{accessibility}} sealed partial class X;
                }
                """, s_spec).WithReferences(GeneratorRun.GpuReferences);
            run.Emit();
        }
    }

    [Theory]
    [InlineData("public static class ⟦Vocabulary⟧;")]
    [InlineData("private struct ⟦Tables⟧;")]
    [InlineData("public int ⟦Head⟧ { get; set; }")]
    [InlineData("private int ⟦Tail0⟧;")]
    [InlineData("private int ⟦s_identity⟧;")]
    [InlineData("public const int ⟦VocabularySize⟧ = 4;")]
    [InlineData("public event System.Action? ⟦Cutoffs⟧;")]
    [InlineData("public delegate void ⟦HeadShape⟧();")]
    [InlineData("public enum ⟦Tail12OutputShape⟧ { One }")]
    [InlineData("public interface ⟦Tail1Layer⟧;")]
    [InlineData("public int ⟦Vocabulary⟧() => 0;")]
    [InlineData("public int ⟦get_Head⟧() => 0;")]
    [InlineData("public sealed class ⟦Head⟧<T>;")]
    [InlineData("[System.Runtime.CompilerServices.IndexerName(\"Head\")] public int ⟦this⟧[int index] => index;")]
    [InlineData("public static X? ⟦Create⟧(ulong? seed, AdaptiveSoftmax.AdaptiveSoftmaxOptions? options) => null;")]
    [InlineData("public static int ⟦FindSlot⟧(int id) => 0;")]
    [InlineData("public bool ⟦Load⟧;")]
    [InlineData("public sealed class ⟦OnGpu⟧;")]
    [InlineData("public X? ⟦ToGpu⟧(ILGPU.Runtime.Accelerator accelerator, AdaptiveSoftmax.Gpu.GpuOptions options) => null;")]
    [InlineData("public bool ⟦ToGpu⟧ => true;")]
    [InlineData("public bool ⟦DefaultQuantization⟧ => true;")]
    public void MemberWithAGeneratedName_IsReportedAtItsPlace(string member)
    {
        var marked = Marked.Parse($$"""
            #pragma warning disable CS1591, CS0067, CS0169, CS0649, CS0414
            [AdaptiveSoftmax.AdaptiveSoftmax("x.softmax.json")]
            public sealed partial class X { {{member}} }
            """);
        AssertReportedAlone(marked, "ASMX1009");
    }

    [Theory]
    [InlineData("OnGpu")]
    [InlineData("TensorCores")]
    [InlineData("ToGpu")]
    [InlineData("Tail3ProjectionShape")]
    [InlineData("CreateZeros")]
    public void ClassWithAGeneratedName_IsReported(string name) => AssertReportedAlone(
        Marked.Parse($"""#pragma warning disable CS1591{"\n"}[AdaptiveSoftmax.AdaptiveSoftmax("x.softmax.json")] public sealed partial class ⟦{name}⟧;"""), "ASMX1009");

    [Fact]
    public void NamesOfTheGpuPackage_AreFreeWithoutIt() =>
        new GeneratorRun("""[AdaptiveSoftmax.AdaptiveSoftmax("x.softmax.json")] internal sealed partial class OnGpu { public bool ToGpu => true; }""", s_spec).Emit();

    // The other members stand in, so that code that uses them says nothing.
    [Theory]
    [InlineData("public sealed partial class ⟦X⟧(int size) { public int Size => size; }", "ASMX1012")]
    [InlineData("public sealed partial class ⟦X⟧();", "ASMX1012")]
    [InlineData("public sealed partial class X { private ⟦X⟧() { } }", "ASMX1012")]
    [InlineData("public sealed partial class X { public X(int size) : this() { } private ⟦X⟧() { } }", "ASMX1012")]
    [InlineData("public sealed partial class X { public required int ⟦Value⟧; }", "ASMX1013")]
    [InlineData("public sealed partial class X { public required string ⟦Value⟧ { get; init; } }", "ASMX1013")]
    public void ClassThatCannotBeMade_IsTheOnlyErrorOfTheProgram(string declaration, string id)
    {
        foreach (var assembly in new[] { "", "[assembly: System.CLSCompliant(true)]" })
        {
            var source = Marked.Parse($$"""
                #pragma warning disable CS1591
                {{assembly}}
                [AdaptiveSoftmax.AdaptiveSoftmax("x.softmax.json")] {{declaration}}

                internal static class Program
                {
                    public static int Run(ILGPU.Runtime.Accelerator accelerator)
                    {
                        using var softmax = X.Create(seed: 1);
                        using var again = X.Load("x.safetensors");
                        using var device = softmax.ToGpu(accelerator);
                        return X.VocabularySize + softmax.Head.Weight.Rows + softmax.Tail1.Output.Rows + softmax.Predict(new float[X.HiddenSize]) + X.Vocabulary.GetTokenId(0) + device.ToCpu().Tail0.Output.Rows;
                    }
                }
                """);
            var run = new GeneratorRun(source.Text, s_spec).WithReferences(GeneratorRun.GpuReferences);
            var reported = Assert.Single(run.Reported);
            Assert.Equal((id, source.Span), (reported.Id, reported.Location.SourceSpan));
            Assert.Empty(run.Compiled);
        }
    }

    [Fact]
    public void TypeThatHidesANamespace_IsReportedAtItsPlace() => AssertReportedAlone(
        Marked.Parse("""
            #pragma warning disable CS1591
            namespace AdaptiveSoftmax.Mine
            {
                [AdaptiveSoftmax("x.softmax.json")] public sealed partial class X;
            }

            public sealed class ⟦ILGPU⟧;
            """), "ASMX1009");

    [Theory]
    [InlineData("public partial struct X;")]
    [InlineData("public partial interface X;")]
    [InlineData("public partial record struct X;")]
    public void OtherTypes_AreTheCompilersToReport(string declaration)
    {
        var run = new GeneratorRun($"""#pragma warning disable CS1591{"\n"}[AdaptiveSoftmax.AdaptiveSoftmax("x.softmax.json")] {declaration}""", s_spec);
        Assert.Empty(run.Reported);
        Assert.Equal("CS0592", Assert.Single(run.Compiled).Id);
    }

    [Theory]
    [InlineData(LanguageVersion.CSharp11)]
    [InlineData(LanguageVersion.CSharp12)]
    [InlineData(LanguageVersion.Latest)]
    [InlineData(LanguageVersion.Preview)]
    public void LanguageFromTheOldestOn_CompilesWhatIsGenerated(LanguageVersion language) =>
        new GeneratorRun("""[AdaptiveSoftmax.AdaptiveSoftmax("x.softmax.json")] internal sealed partial class X { }""", "/project/Program.cs", language, s_spec)
            .WithReferences(GeneratorRun.GpuReferences).Emit();

    [Fact]
    public void OptionsOfTheCompiler_MakeNoDifference()
    {
        const string source = """[AdaptiveSoftmax.AdaptiveSoftmax("x.softmax.json")] internal sealed partial class X { }""";
        foreach (var nullable in Enum.GetValues<NullableContextOptions>())
        {
            var options = GeneratorRun.Options.WithNullableContextOptions(nullable).WithOverflowChecks(true).WithOptimizationLevel(OptimizationLevel.Release);
            new GeneratorRun(source, s_spec).WithReferences(GeneratorRun.GpuReferences).WithOptions(options).Emit();
        }
    }

    [Theory]
    [InlineData("public sealed partial class X;", true)]
    [InlineData("internal sealed partial class X;", false)]
    [InlineData("[System.CLSCompliant(false)] public sealed partial class X;", false)]
    public void CompliantAssembly_IsToldThatTheClassIsNot(string declaration, bool isMarked)
    {
        foreach (var outer in new[] { "", "public static partial class Outer", "public abstract partial class Outer<T>" })
        {
            var run = new GeneratorRun($$"""
                #pragma warning disable CS1591
                [assembly: System.CLSCompliant(true)]
                {{outer}} {{(outer.Length > 0 ? "{" : "")}}
                [AdaptiveSoftmax.AdaptiveSoftmax("x.softmax.json")]
                {{declaration}}
                {{(outer.Length > 0 ? "}" : "")}}
                """, s_spec).WithReferences(GeneratorRun.GpuReferences);
            run.Emit();
            Assert.Equal(isMarked, run.Sources.Values.Any(text => text.Contains("CLSCompliant", StringComparison.Ordinal)));
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void NamesThatAreReserved_AreThoseThatAreGenerated(bool isFull)
    {
        var spec = isFull ? new TestFile("/project/x.softmax.json", """{ "hiddenSize": 8, "vocabulary": ["a", "b"], "softmax": "full", "precision": { "head": "int8" } }""") : s_spec;
        var run = new GeneratorRun("""[AdaptiveSoftmax.AdaptiveSoftmax("x.softmax.json")] internal sealed partial class X;""", spec).WithReferences(GeneratorRun.GpuReferences);
        var type = run.Output.GetTypeByMetadataName("X")!;
        var generated = type.GetMembers().Where(member => !member.IsImplicitlyDeclared && member is not IMethodSymbol { MethodKind: not MethodKind.Ordinary }).ToArray();
        Assert.All(generated, member => Assert.True(GeneratedMembers.Exclude(member, hasGpu: true), $"{member} is generated, so {nameof(GeneratedMembers)} must have it."));
        var names = generated.Select(member => member.Name).ToHashSet();
        (string Name, string Parameters)[] methods = [.. GeneratedMembers.Methods, .. GeneratedMembers.GpuMethods, .. isFull ? GeneratedMembers.FullMethods : []];
        IEnumerable<string> reserved = [.. methods.Select(method => method.Name), .. GeneratedMembers.Types, .. GeneratedMembers.GpuTypes, .. GeneratedMembers.Values, .. isFull ? GeneratedMembers.FullValues : []];
        Assert.Empty(reserved.Except(names));
        Assert.Equal(generated.Count(member => member is IMethodSymbol), methods.Length);
    }

    // The class is not generated, so nothing but the fault itself is to be seen.
    private static void AssertReportedAlone(Marked source, string id)
    {
        var run = new GeneratorRun(source.Text, s_spec).WithReferences(GeneratorRun.GpuReferences);
        var reported = Assert.Single(run.Reported);
        Assert.Equal(id, reported.Id);
        Assert.Equal(source.Span, reported.Location.SourceSpan);
        Assert.All(run.Compiled, diagnostic => Assert.Equal("/project/Program.cs", diagnostic.Location.GetLineSpan().Path));
        Assert.DoesNotContain(run.Sources.Keys, name => name != GeneratedFiles.Friend);
    }
}
