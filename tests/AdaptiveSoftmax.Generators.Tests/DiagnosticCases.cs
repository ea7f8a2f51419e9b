namespace AdaptiveSoftmax.Generators.Tests;

/// <summary>One program for each diagnostic, which has no other, with the place marked.</summary>
internal static class DiagnosticCases
{
    private const string Class = """[AdaptiveSoftmax("x.softmax.json")] public sealed partial class X;""";
    private const string Spec = """{ "hiddenSize": 16, "vocabulary": ["a", "b", "c"], "cutoffs": [1] }""";
    private const string TableSpec = """{ "hiddenSize": 16, "vocabulary": "x.tokens", "cutoffs": [1] }""";

    /// <summary>By id: the class, the spec, the token table, and a part of the message.</summary>
    public static IReadOnlyDictionary<string, (string Source, string Spec, string? Table, string Message)> All { get; } =
        new Dictionary<string, (string, string, string?, string)>
        {
            ["ASMX1001"] = OfClass("""[AdaptiveSoftmax("x.softmax.json")] public sealed class ⟦X⟧;""", "class 'X'"),
            ["ASMX1002"] = OfClass("""public class ⟦Outer⟧ { [AdaptiveSoftmax("x.softmax.json")] public sealed partial class X; }""", "type 'Outer'"),
            ["ASMX1003"] = OfClass("""public class Other; [AdaptiveSoftmax("x.softmax.json")] public sealed partial class ⟦X⟧ : Other;""", "derives from 'Other'"),
            ["ASMX1004"] = OfClass("""[AdaptiveSoftmax("x.softmax.json")] public static partial class ⟦X⟧;""", "static class 'X'"),
            ["ASMX1005"] = OfClass("""[AdaptiveSoftmax("x.softmax.json")] public abstract partial class ⟦X⟧;""", "abstract class 'X'"),
            ["ASMX1006"] = OfClass("""[AdaptiveSoftmax("x.softmax.json")] public sealed partial record ⟦X⟧;""", "record 'X'"),
            ["ASMX1007"] = OfClass("""[AdaptiveSoftmax("x.softmax.json")] public sealed partial class ⟦X⟧<T>;""", "type parameters"),
            ["ASMX1008"] = OfClass("""[AdaptiveSoftmax("x.softmax.json")] file sealed partial class ⟦X⟧;""", "'file'"),
            ["ASMX1009"] = OfClass("""[AdaptiveSoftmax("x.softmax.json")] public sealed partial class ⟦Tail0⟧;""", "'Tail0'"),
            ["ASMX1010"] = OfClass("""[⟦AdaptiveSoftmax("y.softmax.json")⟧] public sealed partial class X;""", "did you mean 'x.softmax.json'?"),
            ["ASMX1011"] = OfClass("""[⟦AdaptiveSoftmax("x.softmax.json")⟧] public sealed partial class X;""", "fits several"),
            ["ASMX1012"] = OfClass("""[AdaptiveSoftmax("x.softmax.json")] public sealed partial class X { public ⟦X⟧(int size) { } }""", "a constructor"),
            ["ASMX1013"] = OfClass("""[AdaptiveSoftmax("x.softmax.json")] public sealed partial class X { public required string ⟦Name⟧ { get; init; } }""", "'X.Name'"),
            ["ASMX1014"] = OfClass("""[AdaptiveSoftmax("x.softmax.json")] public sealed partial class ⟦X⟧ { }""", "compiled as C# 7.3"),
            ["ASMX2001"] = OfSpec("""{ "hiddenSize": 16, "vocabulary": ["a", "b"], "cutoffs": [1], "headBias": ⟦True⟧ }""", "True is not a JSON value"),
            ["ASMX2002"] = OfSpec("""{ "hiddenSize": 16, "vocabulary": ["a⟦\d⟧", "b", "c"], "cutoffs": [1] }""", "no JSON escape"),
            ["ASMX2003"] = OfSpec("{\n  \"hiddenSize\": 16, \"vocabulary\": [\"a\", \"b\"], \"cutoffs\": [1],\n  ⟦\"head_bias\"⟧: true }", "\"headBias\""),
            ["ASMX2004"] = OfSpec("""{ "hiddenSize": 16, "vocabulary": ["a", "b"], "cutoffs": [1], ⟦"hiddenSize"⟧: 8 }""", "given twice"),
            ["ASMX2005"] = OfSpec("""⟦{⟧ "vocabulary": ["a", "b"], "cutoffs": [1] }""", "no hiddenSize"),
            ["ASMX2006"] = OfSpec("""{ "hiddenSize": ⟦"16"⟧, "vocabulary": ["a", "b"], "cutoffs": [1] }""", "whole number"),
            ["ASMX2007"] = OfSpec("""{ "hiddenSize": ⟦0⟧, "vocabulary": ["a", "b"], "cutoffs": [1] }""", "from 1 to 1048576"),
            ["ASMX2008"] = OfSpec("""{ "hiddenSize": 16, "vocabulary": ["a", "b"], "cutoffs": [1], "divValue": ⟦4.0⟧, "projections": [4] }""", "both divValue and projections"),
            ["ASMX2009"] = OfSpec("""{ "hiddenSize": 16, "vocabulary": ["a", "b"], "cutoffs": ⟦[⟧] }""", "empty"),
            ["ASMX2010"] = OfSpec("""{ "hiddenSize": 64, "vocabulary": ["a", "b", "c"], "cutoffs": [2, ⟦1⟧] }""", "below 2"),
            ["ASMX2011"] = OfSpec("""{ "hiddenSize": 64, "vocabulary": ["a", "b", "c"], "cutoffs": [1, ⟦1⟧] }""", "repeats 1"),
            ["ASMX2012"] = OfSpec("""{ "hiddenSize": 16, "vocabulary": "x.tokens", "cutoffs": [⟦2⟧] }""", "only 2 tokens", "0\t5\ta\n1\t4\tb\n"),
            ["ASMX2013"] = OfSpec("""{ "hiddenSize": 16, "vocabulary": ["a", "b", "c"], "cutoffs": [1, 2], "projections": ⟦[⟧4] }""", "1 entries"),
            ["ASMX2014"] = OfSpec("""{ "hiddenSize": 15, "vocabulary": ["a", "b", "c"], "cutoffs": [1, ⟦2⟧] }""", "width 0"),
            ["ASMX2015"] = OfSpec("""{ "hiddenSize": 16, "vocabulary": ["a", "b"], "cutoffs": [1], "precision": { "head": ⟦"int3"⟧ } }""", "\"int3\""),
            ["ASMX2016"] = OfSpec("""{ "hiddenSize": 16, "vocabulary": ⟦""⟧, "cutoffs": [1] }""", ""),
            ["ASMX2017"] = OfSpec("""{ "hiddenSize": 16, "vocabulary": ⟦"y.tokens"⟧, "cutoffs": [1] }""", "\"y.tokens\" was not found", "0\t5\ta\n1\t4\tb\n"),
            ["ASMX2018"] = ("", """{ "hiddenSize": ⟦0⟧, "vocabulary": ["a", "b"], "cutoffs": [1] }""", null, "No class names 'x.softmax.json'"),
            ["ASMX2019"] = OfSpec("""{ "hiddenSize": 16, "vocabulary": ["a", "b"], "softmax": ⟦"dense"⟧, "cutoffs": [1] }""", "\"dense\""),
            ["ASMX3001"] = OfTable("⟦⟧", "empty"),
            ["ASMX3002"] = OfTable("⟦0⟧\t5\ta\n", "only one token"),
            ["ASMX3003"] = OfTable("7\t5\ta\n8\t5\tbc\n19\t4\t⟦\\x62c⟧\n", "line 2 already"),
            ["ASMX3004"] = OfTable("7\t5\ta\n9\t5\tc\n⟦7⟧\t4\tb\n", "line 1 already"),
            ["ASMX3005"] = OfTable("0\t5\ta\n⟦-1⟧\t4\tb\n", "negative"),
            ["ASMX3006"] = OfTable("0\t5\ta\n⟦2147483648⟧\t4\tb\n", "too large"),
            ["ASMX3007"] = OfSpec("""{ "hiddenSize": 16, "vocabulary": ["a", { "bytes": ⟦"xy"⟧ }], "cutoffs": [1] }""", ""),
            ["ASMX3008"] = OfTable("0\t5\ta\n⟦1\t4\tb⟧", "middle of a line"),
            ["ASMX3009"] = OfTable("0\t5\ta\n⟦1 4 b⟧\n2\t3\tc\n", "1 column"),
            ["ASMX3010"] = OfTable("0\t5\ta\n⟦x⟧\t4\tb\n", "\"x\""),
            ["ASMX3011"] = OfTable("0\t5\ta\n1\t4\tb⟦é⟧\n", "'é'"),
            ["ASMX3012"] = OfTable("0\t5\ta\n1\t⟦16⟧\tb\n2\t4\tc\n", "greater than 5"),
            ["ASMX3013"] = (Class, "⟦⟧" + TableSpec, "0\t1\ta\n1\t0\tb\n", "constant data"),
        };

    private static (string, string, string?, string) OfClass(string source, string message) => (source, Spec, null, message);

    private static (string, string, string?, string) OfSpec(string spec, string message, string? table = null) => (Class, spec, table, message);

    private static (string, string, string?, string) OfTable(string table, string message) => (Class, TableSpec, table, message);
}
