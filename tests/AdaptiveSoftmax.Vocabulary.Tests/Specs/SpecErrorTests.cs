namespace AdaptiveSoftmax.Vocabulary.Tests.Specs;

/// <summary>Each fault of a spec is reported with its kind, its place, what is wrong and how to mend it.</summary>
public class SpecErrorTests
{
    private const string Rest = "\"vocabulary\": [\"a\", \"b\", \"c\"], \"cutoffs\": [1]";

    [Theory]
    [InlineData("⟦⟧", "empty", "Write a JSON object")]
    [InlineData("  \n ⟦⟧", "empty", "Write a JSON object")]
    [InlineData("⟦{⟧ \"hiddenSize\": 3", "never closed", "Complete the file")]
    [InlineData("{ \"hiddenSize\": ⟦⟧", "ends where a value must stand", "Complete the file")]
    [InlineData("{ \"cutoffs\": ⟦[⟧1, 2", "never closed", "Complete the file")]
    [InlineData("{ ⟦\"hidden⟧", "not closed", "double quote")]
    [InlineData("{ ⟦\"hidden⟧\nSize\": 3 }", "not closed", "double quote")]
    [InlineData("{ ⟦h⟧iddenSize: 3 }", "'h' stands where a member's name must", "in double quotes")]
    [InlineData("{ \"hiddenSize\" ⟦3⟧ }", "where the colon after \"hiddenSize\" must", "\"name\": value")]
    [InlineData("{ \"hiddenSize\": ⟦'⟧3' }", "where a value must", "double quotes")]
    [InlineData("{ \"cutoffs\": [1 ⟦:⟧ 2] }", "where a comma or ']' must", "comma")]
    [InlineData("{ \"hiddenSize\": 4⟦,⟧ }", "comma stands before the closing bracket", "Remove the comma")]
    [InlineData("{ \"hiddenSize\": 4\n ⟦\"⟧cutoffs\": [] }", "comma is missing", "Put a comma")]
    [InlineData("{ ⟦//⟧ the size\n \"hiddenSize\": 4 }", "comment", "Remove")]
    [InlineData("{ ⟦/*⟧ the\n size */ \"hiddenSize\": 4 }", "comment", "Remove")]
    [InlineData("{ \"hiddenSize\": ⟦True⟧ }", "True is not a JSON value", "lower case")]
    [InlineData("{ \"hiddenSize\": ⟦012⟧ }", "012 is not a JSON number", "leading zeros")]
    [InlineData("{ \"hiddenSize\": ⟦+12⟧ }", "+12 is not a JSON number", "'+'")]
    [InlineData("{ \"hiddenSize\": ⟦.5⟧ }", ".5 is not a JSON number", "digits")]
    [InlineData("{ \"hiddenSize\": ⟦1.⟧ }", "1. is not a JSON number", "digits")]
    [InlineData("{ \"hiddenSize\": ⟦1e⟧ }", "1e is not a JSON number", "digits")]
    [InlineData("{ \"hiddenSize\": ⟦-⟧ }", "- is not a JSON number", "digits")]
    [InlineData("{ \"vocabulary\": \"a⟦\t⟧b\" }", "control character U+0009", "\\u0009")]
    [InlineData("{ \"vocabulary\": \"a⟦\0⟧b\" }", "control character U+0000", "\\u0000")]
    [InlineData("{ \"hiddenSize\": 4 } ⟦}⟧", "after the end of the spec", "balance")]
    public void MalformedJson_IsReportedWhereReadingStumbles(string marked, string message, string remedy) =>
        AssertFirst(SpecErrorKind.MalformedJson, marked, message, remedy);

    [Theory]
    [InlineData("{ \"vocabulary\": [\"a⟦\\d⟧\", \"b\", \"c\"] }", "before 'd' is no JSON escape", "\\\\")]
    [InlineData("{ \"vocabulary\": [\"⟦\\x⟧41\", \"b\", \"c\"] }", "before 'x' is no JSON escape", "\"bytes\"")]
    [InlineData("{ \"vocabulary\": [\"⟦\\u12⟧zz\", \"b\", \"c\"] }", "followed by 2 hexadecimal digits", "4 digits")]
    [InlineData("{ \"vocabulary\": [\"⟦\\u⟧\", \"b\", \"c\"] }", "followed by 0 hexadecimal digits", "4 digits")]
    public void BadEscape_IsReportedInsideTheString(string marked, string message, string remedy) =>
        AssertFirst(SpecErrorKind.BadEscape, marked, message, remedy);

    [Theory]
    [InlineData("⟦\"hiddensize\"⟧: 4", "\"hiddenSize\"")]
    [InlineData("⟦\"hidden_size\"⟧: 4", "\"hiddenSize\"")]
    [InlineData("⟦\"hidenSize\"⟧: 4", "\"hiddenSize\"")]
    [InlineData("⟦\"hiddneSize\"⟧: 4", "\"hiddenSize\"")]
    [InlineData("⟦\"div_value\"⟧: 4", "\"divValue\"")]
    [InlineData("⟦\"cutoff\"⟧: [4]", "\"cutoffs\"")]
    [InlineData("⟦\"vocab\"⟧: 4", "Remove it; there are: $schema, hiddenSize")]
    [InlineData("⟦\"\"⟧: 4", "Remove it")]
    [InlineData("⟦\"learningRate\"⟧: 4", "Remove it")]
    public void UnknownMember_NamesTheNearestKnownOne(string member, string remedy) =>
        AssertOnly(SpecErrorKind.UnknownMember, $"{{ \"hiddenSize\": 8, {Rest},\n  {member} }}", "is not a member of a spec", remedy);

    [Theory]
    [InlineData("\"precision\": { ⟦\"heads\"⟧: \"float32\" }", "a member of precision", "\"head\"")]
    [InlineData("\"precision\": { ⟦\"tail\"⟧: \"float32\" }", "a member of precision", "\"tails\"")]
    public void UnknownMemberOfPrecision_NamesTheNearestKnownOne(string member, string message, string remedy) =>
        AssertOnly(SpecErrorKind.UnknownMember, $"{{ \"hiddenSize\": 8, {Rest}, {member} }}", message, remedy);

    [Theory]
    [InlineData("⟦{⟧ \"vocabulary\": \"t.tokens\", \"cutoffs\": [1] }", "no hiddenSize")]
    [InlineData("⟦{⟧ \"hiddenSize\": 8, \"cutoffs\": [1] }", "no vocabulary")]
    [InlineData("⟦{⟧ \"hiddenSize\": 8, \"vocabulary\": \"t.tokens\" }", "no cutoffs")]
    public void MissingMember_IsReportedAtTheOpeningBracket(string marked, string message) =>
        AssertOnly(SpecErrorKind.MissingMember, marked, message, "Add it, for example");

    [Fact]
    public void DuplicateMember_IsReportedAtTheSecond() =>
        AssertOnly(SpecErrorKind.DuplicateMember, $"{{ \"hiddenSize\": 8, {Rest},\n ⟦\"hiddenSize\"⟧: 16 }}", "given twice", "Remove one");

    [Theory]
    [InlineData("⟦[⟧1]", "The spec is a list; it must be an object")]
    [InlineData("⟦\"x\"⟧", "The spec is the string \"x\"")]
    [InlineData("⟦null⟧", "The spec is null")]
    [InlineData("{ \"hiddenSize\": ⟦\"8\"⟧, \"vocabulary\": \"t\", \"cutoffs\": [1] }", "hiddenSize is the string \"8\"; it must be a whole number")]
    [InlineData("{ \"hiddenSize\": ⟦8.5⟧, \"vocabulary\": \"t\", \"cutoffs\": [1] }", "has a fraction")]
    [InlineData("{ \"hiddenSize\": ⟦1e-400⟧, \"vocabulary\": \"t\", \"cutoffs\": [1] }", "has a fraction")]
    [InlineData("{ \"hiddenSize\": ⟦null⟧, \"vocabulary\": \"t\", \"cutoffs\": [1] }", "hiddenSize is null")]
    [InlineData("{ \"hiddenSize\": 8, \"vocabulary\": ⟦true⟧, \"cutoffs\": [1] }", "vocabulary is true")]
    [InlineData("{ \"hiddenSize\": 8, \"vocabulary\": ⟦{⟧}, \"cutoffs\": [1] }", "vocabulary is an object")]
    [InlineData("{ \"hiddenSize\": 8, \"vocabulary\": \"t\", \"cutoffs\": ⟦1⟧ }", "cutoffs is the number 1; it must be a list")]
    [InlineData("{ \"hiddenSize\": 8, \"vocabulary\": \"t\", \"cutoffs\": [1, ⟦\"2\"⟧] }", "cutoffs[1] is the string \"2\"")]
    [InlineData("{ \"hiddenSize\": 8, \"vocabulary\": \"t\", \"cutoffs\": [1], \"divValue\": ⟦\"4\"⟧ }", "divValue is the string \"4\"; it must be a number")]
    [InlineData("{ \"hiddenSize\": 8, \"vocabulary\": \"t\", \"cutoffs\": [1], \"projections\": ⟦4⟧ }", "projections is the number 4")]
    [InlineData("{ \"hiddenSize\": 8, \"vocabulary\": \"t\", \"cutoffs\": [1], \"headBias\": ⟦1⟧ }", "headBias is the number 1; it must be true or false")]
    [InlineData("{ \"hiddenSize\": 8, \"vocabulary\": \"t\", \"cutoffs\": [1], \"precision\": ⟦\"float32\"⟧ }", "precision is the string")]
    [InlineData("{ \"hiddenSize\": 8, \"vocabulary\": \"t\", \"cutoffs\": [1], \"precision\": { \"head\": ⟦32⟧ } }", "precision.head is the number 32")]
    [InlineData("{ \"hiddenSize\": 8, \"vocabulary\": \"t\", \"cutoffs\": [1], \"precision\": { \"tails\": [⟦32⟧] } }", "precision.tails[0] is the number 32")]
    [InlineData("{ \"hiddenSize\": 8, \"vocabulary\": \"t\", \"cutoffs\": [1], \"seed\": ⟦\"x\"⟧ }", "seed is the string")]
    [InlineData("{ \"hiddenSize\": 8, \"vocabulary\": \"t\", \"cutoffs\": [1], \"$schema\": ⟦7⟧ }", "$schema is the number 7")]
    [InlineData("{ \"hiddenSize\": 8, \"vocabulary\": [\"a\", ⟦7⟧], \"cutoffs\": [1] }", "vocabulary[1] is the number 7")]
    public void WrongType_SaysWhatItIsAndWhatItMustBe(string marked, string message) =>
        AssertOnly(SpecErrorKind.WrongType, marked, message, "");

    [Theory]
    [InlineData("{ \"hiddenSize\": ⟦0⟧, \"vocabulary\": \"t\", \"cutoffs\": [1] }", "hiddenSize is 0; it must be from 1 to 1048576")]
    [InlineData("{ \"hiddenSize\": 8, \"vocabulary\": \"t\", \"cutoffs\": [⟦2147483647⟧] }", "must be from 1 to 2147483646")]
    [InlineData("{ \"hiddenSize\": ⟦-8⟧, \"vocabulary\": \"t\", \"cutoffs\": [1] }", "hiddenSize is -8")]
    [InlineData("{ \"hiddenSize\": ⟦1048577⟧, \"vocabulary\": \"t\", \"cutoffs\": [1] }", "hiddenSize is 1048577")]
    [InlineData("{ \"hiddenSize\": ⟦1e999999999999999999999⟧, \"vocabulary\": \"t\", \"cutoffs\": [1] }", "hiddenSize is 1e99")]
    [InlineData("{ \"hiddenSize\": ⟦99999999999999999999999999⟧, \"vocabulary\": \"t\", \"cutoffs\": [1] }", "hiddenSize is 9999")]
    [InlineData("{ \"hiddenSize\": 8, \"vocabulary\": \"t\", \"cutoffs\": [⟦0⟧] }", "cutoffs[0] is 0")]
    [InlineData("{ \"hiddenSize\": 8, \"vocabulary\": \"t\", \"cutoffs\": [⟦2147483648⟧] }", "cutoffs[0] is 2147483648")]
    [InlineData("{ \"hiddenSize\": 8, \"vocabulary\": \"t\", \"cutoffs\": [1], \"divValue\": ⟦0⟧ }", "divValue is 0; it must be a finite number above 0")]
    [InlineData("{ \"hiddenSize\": 8, \"vocabulary\": \"t\", \"cutoffs\": [1], \"divValue\": ⟦-4⟧ }", "divValue is -4")]
    [InlineData("{ \"hiddenSize\": 8, \"vocabulary\": \"t\", \"cutoffs\": [1], \"divValue\": ⟦1e400⟧ }", "divValue is 1e400")]
    [InlineData("{ \"hiddenSize\": 8, \"vocabulary\": \"t\", \"cutoffs\": [1], \"divValue\": ⟦1e-400⟧ }", "divValue is 1e-400")]
    [InlineData("{ \"hiddenSize\": 8, \"vocabulary\": \"t\", \"cutoffs\": [1], \"divValue\": ⟦1e-9⟧ }", "wider than 1048576")]
    [InlineData("{ \"hiddenSize\": 8, \"vocabulary\": \"t\", \"cutoffs\": [1], \"projections\": [⟦-1⟧] }", "projections[0] is -1")]
    [InlineData("{ \"hiddenSize\": 8, \"vocabulary\": \"t\", \"cutoffs\": [1], \"seed\": ⟦-1⟧ }", "seed is -1")]
    [InlineData("{ \"hiddenSize\": 8, \"vocabulary\": \"t\", \"cutoffs\": [1], \"seed\": ⟦18446744073709551616⟧ }", "seed is 18446744073709551616")]
    [InlineData("{ \"hiddenSize\": 8, \"vocabulary\": [\"a\", { \"token\": \"b\", \"count\": ⟦-1⟧ }], \"cutoffs\": [1] }", "vocabulary[1].count is -1")]
    [InlineData("{ \"hiddenSize\": 8, \"vocabulary\": [\"a\", { \"token\": \"b\", \"count\": ⟦9223372036854775808⟧ }], \"cutoffs\": [1] }", "vocabulary[1].count is 9223372036854775808")]
    public void NumberOutOfRange_SaysTheRange(string marked, string message) =>
        AssertOnly(SpecErrorKind.OutOfRange, marked, message, "");

    [Theory]
    [InlineData(SpecErrorKind.CutoffsEmpty, "⟦[⟧]", "empty", "for example \"cutoffs\"")]
    [InlineData(SpecErrorKind.CutoffsUnsorted, "[2, ⟦1⟧]", "cutoffs[1] is 1, below 2", "Sort")]
    [InlineData(SpecErrorKind.CutoffRepeated, "[1, ⟦1⟧]", "cutoffs[1] repeats 1", "Remove")]
    [InlineData(SpecErrorKind.CutoffBeyondVocabulary, "[1, ⟦3⟧]", "cutoffs[1] is 3, but the vocabulary has only 3 tokens", "from 1 to 2")]
    public void Cutoffs_AreReportedOneByOne(SpecErrorKind kind, string cutoffs, string message, string remedy) =>
        AssertOnly(kind, $"{{ \"hiddenSize\": 64, \"vocabulary\": [\"a\", \"b\", \"c\"], \"cutoffs\": {cutoffs} }}", message, remedy);

    [Theory]
    [InlineData(SpecErrorKind.ProjectionWidthZero, "\"hiddenSize\": 15, \"cutoffs\": [1, ⟦2⟧]", "tail cluster 1 would have width 0: hidden size 15 divided by 4 to the power 2")]
    [InlineData(SpecErrorKind.ProjectionWidthZero, "\"hiddenSize\": 15, \"cutoffs\": [1, 2], \"divValue\": ⟦16.5⟧", "tail cluster 0 would have width 0: hidden size 15 divided by 16.5")]
    [InlineData(SpecErrorKind.ProjectionWidthZero, "\"hiddenSize\": 15, \"cutoffs\": [1, 2], \"projections\": [4, ⟦0⟧]", "tail cluster 1 has width 0")]
    [InlineData(SpecErrorKind.ClusterCountMismatch, "\"hiddenSize\": 15, \"cutoffs\": [1, 2], \"projections\": ⟦[⟧4]", "projections has 1 entries, but 2 cutoffs")]
    [InlineData(SpecErrorKind.ClusterCountMismatch, "\"hiddenSize\": 15, \"cutoffs\": [1], \"projections\": ⟦[⟧]", "projections has 0 entries, but 1 cutoffs")]
    [InlineData(SpecErrorKind.ClusterCountMismatch, "\"hiddenSize\": 15, \"cutoffs\": [1], \"precision\": { \"tails\": ⟦[⟧\"float32\", \"float32\"] }", "precision.tails has 2 entries")]
    [InlineData(SpecErrorKind.ConflictingMembers, "\"hiddenSize\": 15, \"cutoffs\": [1], \"divValue\": ⟦4.0⟧, \"projections\": [4]", "both divValue and projections")]
    [InlineData(SpecErrorKind.ConflictingMembers, "\"hiddenSize\": 15, \"softmax\": \"full\", \"cutoffs\": ⟦[⟧1]", "has cutoffs, and \"softmax\": \"full\"")]
    [InlineData(SpecErrorKind.ConflictingMembers, "\"hiddenSize\": 15, \"softmax\": \"full\", \"divValue\": ⟦4⟧", "has divValue")]
    [InlineData(SpecErrorKind.ConflictingMembers, "\"hiddenSize\": 15, \"softmax\": \"full\", \"projections\": ⟦[⟧4]", "has projections")]
    [InlineData(SpecErrorKind.ConflictingMembers, "\"hiddenSize\": 15, \"softmax\": \"full\", \"precision\": { \"tails\": ⟦\"int8\"⟧ }", "has precision.tails")]
    [InlineData(SpecErrorKind.UnknownSoftmax, "\"hiddenSize\": 15, \"softmax\": ⟦\"Full\"⟧, \"cutoffs\": [1]", "softmax is \"Full\"")]
    [InlineData(SpecErrorKind.WrongType, "\"hiddenSize\": 15, \"softmax\": ⟦true⟧, \"cutoffs\": [1]", "softmax is")]
    [InlineData(SpecErrorKind.UnknownPrecision, "\"hiddenSize\": 15, \"cutoffs\": [1], \"precision\": { \"head\": ⟦\"float8\"⟧ }", "precision.head is \"float8\"")]
    [InlineData(SpecErrorKind.UnknownPrecision, "\"hiddenSize\": 15, \"cutoffs\": [1], \"precision\": { \"tails\": [⟦\"Float32\"⟧] }", "precision.tails[0] is \"Float32\"")]
    [InlineData(SpecErrorKind.UnknownPrecision, "\"hiddenSize\": 15, \"cutoffs\": [1], \"precision\": { \"tails\": ⟦\"int2\"⟧ }", "precision.tails is \"int2\"")]
    [InlineData(SpecErrorKind.ConflictingMembers, "\"hiddenSize\": 15, \"cutoffs\": [1], \"logitSoftCap\": ⟦30⟧", "has logitSoftCap, and tail clusters")]
    [InlineData(SpecErrorKind.ConflictingMembers, "\"hiddenSize\": 15, \"logitScale\": ⟦0.5⟧, \"cutoffs\": [1]", "has logitScale, and tail clusters")]
    [InlineData(SpecErrorKind.OutOfRange, "\"hiddenSize\": 15, \"softmax\": \"full\", \"logitSoftCap\": ⟦0⟧", "logitSoftCap is 0; it must be a finite number above 0")]
    [InlineData(SpecErrorKind.OutOfRange, "\"hiddenSize\": 15, \"softmax\": \"full\", \"logitSoftCap\": ⟦1e7⟧", "logitSoftCap is 10000000; it must be from 0.000001 to 1000000")]
    [InlineData(SpecErrorKind.OutOfRange, "\"hiddenSize\": 15, \"softmax\": \"full\", \"logitScale\": ⟦-2⟧", "logitScale is -2; it must be a finite number above 0")]
    [InlineData(SpecErrorKind.WrongType, "\"hiddenSize\": 15, \"softmax\": \"full\", \"logitScale\": ⟦\"0.5\"⟧", "logitScale is the string")]
    public void Clusters_AreReportedByMember(SpecErrorKind kind, string members, string message) =>
        AssertOnly(kind, $"{{ \"vocabulary\": [\"a\", \"b\", \"c\"], {members} }}", message, "");

    [Theory]
    [InlineData(SpecErrorKind.EmptyVocabulary, "⟦[⟧]", "vocabulary is empty")]
    [InlineData(SpecErrorKind.SingleToken, "[⟦\"a\"⟧]", "only one token")]
    [InlineData(SpecErrorKind.DuplicateToken, "[\"a\", \"b\", ⟦\"\\u0061\"⟧]", "\"a\" is vocabulary[0] already")]
    [InlineData(SpecErrorKind.DuplicateToken, "[\"a\", \"é\", { \"bytes\": ⟦\"C3a9\"⟧ }]", "\"\\xC3\\xA9\" is vocabulary[1] already")]
    [InlineData(SpecErrorKind.DuplicateId, "[\"a\", { \"token\": \"b\", \"id\": ⟦0⟧ }]", "id 0 is that of vocabulary[0]")]
    [InlineData(SpecErrorKind.DuplicateId, "[{ \"token\": \"b\", \"id\": 1 }, ⟦\"a\"⟧]", "id 1 is that of vocabulary[0]")]
    [InlineData(SpecErrorKind.NegativeId, "[\"a\", { \"token\": \"b\", \"id\": ⟦-3⟧ }]", "id -3 is negative")]
    [InlineData(SpecErrorKind.IdTooLarge, "[\"a\", { \"token\": \"b\", \"id\": ⟦2147483648⟧ }]", "id 2147483648 is too large")]
    [InlineData(SpecErrorKind.InvalidToken, "[\"a\", ⟦\"b\\ud800\"⟧]", "half of a surrogate pair, U+D800")]
    [InlineData(SpecErrorKind.InvalidToken, "[\"a\", ⟦\"\\udc00\\ud800\"⟧]", "half of a surrogate pair, U+DC00")]
    [InlineData(SpecErrorKind.InvalidToken, "[\"a\", { \"bytes\": ⟦\"abc\"⟧ }]", "not pairs of hexadecimal digits")]
    [InlineData(SpecErrorKind.InvalidToken, "[\"a\", { \"bytes\": ⟦\"ab g\"⟧ }]", "not pairs of hexadecimal digits")]
    [InlineData(SpecErrorKind.MissingMember, "[\"a\", ⟦{⟧ \"id\": 3 }]", "neither token nor bytes")]
    [InlineData(SpecErrorKind.ConflictingMembers, "[\"a\", { \"token\": \"b\", \"bytes\": ⟦\"00\"⟧ }]", "both token and bytes")]
    [InlineData(SpecErrorKind.UnknownMember, "[\"a\", { ⟦\"text\"⟧: \"c\", \"token\": \"b\" }]", "not a member of a token")]
    [InlineData(SpecErrorKind.InvalidTableName, "⟦\"\"⟧", "cannot be the name")]
    [InlineData(SpecErrorKind.InvalidTableName, "⟦\" \"⟧", "cannot be the name")]
    [InlineData(SpecErrorKind.InvalidTableName, "⟦\"a\\u0000.tokens\"⟧", "\"a\\u0000.tokens\" cannot be the name")]
    [InlineData(SpecErrorKind.InvalidTableName, "⟦\"a\\ud800.tokens\"⟧", "cannot be the name")]
    public void Vocabulary_IsReportedTokenByToken(SpecErrorKind kind, string vocabulary, string message) =>
        AssertOnly(kind, $"{{ \"hiddenSize\": 64, \"cutoffs\": [1],\n \"vocabulary\": {vocabulary} }}", message, "");

    [Fact]
    public void SeveralFaults_AreAllReportedInTheOrderOfTheText()
    {
        var marked = MarkedText.Parse("""
            ⟦{⟧
              // slips do not hide what follows
              "hidenSize": 512,
              "vocabulary": ["a", "b", "a"],
              "cutoffs": [2, 1, 9,],
              "seed": -1
              "headBias": "no"
            }
            """);

        var kinds = SpecReader.Read("s", marked.Text).Errors.Select(error => error.Kind);

        Assert.Equal(
        [
            SpecErrorKind.MissingMember, SpecErrorKind.MalformedJson, SpecErrorKind.UnknownMember, SpecErrorKind.DuplicateToken,
            SpecErrorKind.CutoffsUnsorted, SpecErrorKind.CutoffBeyondVocabulary, SpecErrorKind.MalformedJson, SpecErrorKind.OutOfRange,
            SpecErrorKind.MalformedJson, SpecErrorKind.WrongType,
        ], kinds);
    }

    [Fact]
    public void PositionsAfterEveryKindOfLineEndAndAByteOrderMark_AreThoseOfAnEditor()
    {
        var error = Assert.Single(SpecReader.Read("s", "\uFEFF{\r\n\r\"hiddenSize\":\n 8,\"seed\":x,\"vocabulary\":\"t\",\"cutoffs\":[1]}").Errors);

        Assert.Equal(new SourceSpan(29, 1, 4, 11), error.Span);
        Assert.Equal(1, SpecReader.Read("s", "\uFEFF[]").Errors[0].Span.Column);
    }

    [Fact]
    public void NestingWithoutEnd_IsRefusedNotFollowed()
    {
        var error = Assert.Single(SpecReader.Read("s", new string('[', 1_000_000)).Errors);

        Assert.Equal(SpecErrorKind.MalformedJson, error.Kind);
        Assert.Contains("nested more than", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FaultsWithoutEnd_StopAtAHundred() =>
        Assert.Equal(100, SpecReader.Read("s", "[" + string.Concat(Enumerable.Repeat("/**/", 5000)) + "]").Errors.Count);

    private static void AssertOnly(SpecErrorKind kind, string marked, string message, string remedy)
    {
        var errors = AssertFirst(kind, marked, message, remedy);
        Assert.Single(errors);
    }

    private static EquatableArray<SpecError> AssertFirst(SpecErrorKind kind, string marked, string message, string remedy)
    {
        var expected = MarkedText.Parse(marked);
        var result = SpecReader.Read("dir/news.softmax.json", expected.Text);
        Assert.Null(result.Spec);
        var error = result.Errors.First(error => error.Kind == kind);
        Assert.Equal(expected.Spans[0], error.Span);
        Assert.Equal("dir/news.softmax.json", error.File);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Contains(remedy, error.Remedy, StringComparison.Ordinal);
        return result.Errors;
    }
}
