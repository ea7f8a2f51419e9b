namespace AdaptiveSoftmax.Vocabulary.Tests.Definitions;

public class SoftmaxDefinitionTests
{
    private const string Spec = """{ "hiddenSize": 16, "vocabulary": "t.tokens", "cutoffs": [1, 3], "divValue": 2, "headBias": true }""";
    private const string Table = "5\t10\tthe\n2\t9\tcaf\\xC3\\xA9\n2147483647\t4\t\n0\t1\t\\\\ \\x00\n";

    /// <summary>Both values were computed with Python's hashlib and struct over the documented canonical forms.</summary>
    [Fact]
    public void Fingerprints_AreThoseOfTheDocumentedForm()
    {
        var definition = Read(Spec, Table);

        Assert.Equal("c7ed57acc01f1ea75efc485a52058f73", definition.VocabularyFingerprint);
        Assert.Equal("""{"format":1,"hiddenSize":16,"vocabularySize":4,"cutoffs":[1,3],"projections":[8,4],"headBias":true,"vocabulary":"c7ed57acc01f1ea75efc485a52058f73"}""", definition.CanonicalSpec);
        Assert.Equal("b2a9d5ea8613190c81691499fbcea194", definition.Fingerprint);
        Assert.Equal(4 * definition.Layout.ParameterCount, definition.WeightBytes);
    }

    [Theory]
    [InlineData("\"cutoffs\": [1, 3]", "\"cutoffs\":\n[ 1,3 ]")]
    [InlineData("\"headBias\": true", "\"headBias\": true, \"precision\": { \"tails\": \"float32\" }")]
    public void WhiteSpaceAndDefaults_ChangeNothing(string old, string replacement)
    {
        var changed = Read(Spec.Replace(old, replacement, StringComparison.Ordinal), Table.Replace("\n", "\r\n", StringComparison.Ordinal));

        Assert.Equal(Read(Spec, Table), changed);
        Assert.Equal(Read(Spec, Table).GetHashCode(), changed.GetHashCode());
    }

    [Theory]
    [InlineData("\"divValue\": 2", "\"projections\": [8, 4]")]
    [InlineData("\"divValue\": 2", "\"divValue\": 2.0000001")]
    [InlineData("\"headBias\": true", "\"headBias\": true, \"seed\": 7")]
    public void WhatLeavesTheWeightsAsTheyAre_KeepsTheFingerprintButNotTheDefinition(string old, string replacement)
    {
        var changed = Read(Spec.Replace(old, replacement, StringComparison.Ordinal), Table);

        // 16 // 2.0000001 is 7, so only this one of the three has other weights.
        Assert.Equal(replacement.Contains("2.0000001", StringComparison.Ordinal), Read(Spec, Table).Fingerprint != changed.Fingerprint);
        Assert.NotEqual(Read(Spec, Table), changed);
    }

    [Fact]
    public void Counts_AreNoPartOfTheFingerprintButOfTheTable()
    {
        var changed = Read(Spec, Table.Replace("\t4\t", "\t3\t", StringComparison.Ordinal));

        Assert.Equal(Read(Spec, Table).Fingerprint, changed.Fingerprint);
        Assert.NotEqual(Read(Spec, Table), changed);
        Assert.NotEqual(Read(Spec, Table).Table, changed.Table);
    }

    [Theory]
    [InlineData("\"hiddenSize\": 16", "\"hiddenSize\": 17", "", "")]
    [InlineData("[1, 3]", "[1, 2]", "", "")]
    [InlineData("[1, 3]", "[1]", "", "")]
    [InlineData("\"divValue\": 2", "\"divValue\": 3", "", "")]
    [InlineData("\"headBias\": true", "\"headBias\": false", "", "")]
    [InlineData("", "", "5\t10", "6\t10")]
    [InlineData("", "", "the", "thf")]
    [InlineData("", "", "5\t10\tthe\n2\t9\tcaf", "2\t10\tcaf")]
    [InlineData("", "", "\tthe\n2\t9\tcaf\\xC3\\xA9\n", "\tth\n2\t9\tecaf\\xC3\\xA9\n")]
    public void WhatChangesTheWeights_ChangesTheFingerprint(string oldSpec, string newSpec, string oldTable, string newTable)
    {
        var spec = oldSpec.Length == 0 ? Spec : Spec.Replace(oldSpec, newSpec, StringComparison.Ordinal);
        var table = oldTable.Length == 0 ? Table : Table.Replace(oldTable, newTable, StringComparison.Ordinal);
        if (newTable.StartsWith("2\t10", StringComparison.Ordinal)) table = table.Replace("\\xA9\n", "\\xA9\n5\t9\tthe\n", StringComparison.Ordinal);

        Assert.NotEqual(Read(Spec, Table).Fingerprint, Read(spec, table).Fingerprint);
        Assert.Equal(oldTable.Length == 0, Read(Spec, Table).VocabularyFingerprint == Read(spec, table).VocabularyFingerprint);
    }

    [Fact]
    public void InlineTokens_GiveTheDefinitionOfTheSameTable()
    {
        const string Inline = """
            { "hiddenSize": 16, "cutoffs": [1, 3], "divValue": 2, "headBias": true,
              "vocabulary": [{ "token": "\\ \u0000", "id": 0, "count": 1 }, { "token": "the", "id": 5, "count": 10 }, { "token": "", "id": 2147483647, "count": 4 }, { "token": "café", "id": 2, "count": 9 }] }
            """;
        var inline = SoftmaxDefinitionReader.Read("s", Inline).Definition!;

        Assert.Equal(Read(Spec, Table).Table, inline.Table);
        Assert.Equal(Read(Spec, Table).Fingerprint, inline.Fingerprint);
    }

    [Fact]
    public void ScaleAndCapOfLogits_ArePartOfTheFingerprint_WhereThereAreSome()
    {
        const string Plain = """{ "hiddenSize": 8, "vocabulary": ["a", "b"], "softmax": "full" }""";
        string With(string member) => SoftmaxDefinitionReader.Read("s", Plain.Replace(" }", $", {member} }}", StringComparison.Ordinal)).Definition!.Fingerprint;
        Assert.Equal(SoftmaxDefinitionReader.Read("s", Plain).Definition!.Fingerprint, With("\"logitScale\": 1.0"));
        Assert.Equal(4, new[] { With("\"logitScale\": 1"), With("\"logitScale\": 30"), With("\"logitSoftCap\": 30"), With("\"logitSoftCap\": 30.5") }.Distinct().Count());
        Assert.Equal(With("\"logitSoftCap\": 3e1"), With("\"logitSoftCap\": 30.0"));
    }

    [Fact]
    public void MissingTable_IsReportedWhereTheSpecNamesIt()
    {
        var marked = MarkedText.Parse("""{ "hiddenSize": 16, "vocabulary": ⟦"t.tokens"⟧, "cutoffs": [1] }""");

        var error = Assert.Single(SoftmaxDefinitionReader.Read("a.softmax.json", marked.Text).Errors);

        Assert.Equal((SpecErrorKind.TableMissing, "a.softmax.json", marked.Spans[0]), (error.Kind, error.File, error.Span));
        Assert.Contains("\"t.tokens\" was not found", error.Message, StringComparison.Ordinal);
        Assert.Contains("AdditionalFiles", error.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public void CutoffsBeyondTheTable_AreReportedInTheSpec()
    {
        var marked = MarkedText.Parse("""{ "hiddenSize": 64, "vocabulary": "t.tokens", "cutoffs": [1, ⟦4⟧, ⟦5⟧] }""");

        var errors = SoftmaxDefinitionReader.Read("a.softmax.json", marked.Text, "t.tokens", Table).Errors;

        Assert.Equal(marked.Spans, errors.Select(error => error.Span));
        Assert.All(errors, error => Assert.Equal(SpecErrorKind.CutoffBeyondVocabulary, error.Kind));
    }

    [Fact]
    public void ErrorsOfBothFiles_AreReportedAtOnce()
    {
        var result = SoftmaxDefinitionReader.Read("a.softmax.json", Spec.Replace("16", "0", StringComparison.Ordinal), "t.tokens", Table + "x");

        Assert.Null(result.Definition);
        Assert.Equal([("a.softmax.json", SpecErrorKind.OutOfRange), ("t.tokens", SpecErrorKind.TableTruncated)], result.Errors.Select(error => (error.File, error.Kind)));
    }

    private static SoftmaxDefinition Read(string spec, string table)
    {
        var result = SoftmaxDefinitionReader.Read("a.softmax.json", spec, "t.tokens", table);
        Assert.Empty(result.Errors);
        return result.Definition!;
    }
}
