using System.Text;
using System.Text.RegularExpressions;
using CsCheck;

namespace AdaptiveSoftmax.Vocabulary.Tests;

/// <summary>Broken texts, and what must hold of the errors that any text gives.</summary>
internal static partial class Fuzzing
{
    private static readonly string[] s_nastyPieces =
    [
        "\0", "\uFEFF", "\uD800", "\uDC00", "\\uD800", "\\", "\"", "'", "{", "}", "[", "]", ",", ":", "\t", "\n", "\r", "\r\n", "\u2028", "\u0085",
        "-", "+", "0", "1e999999999999", "-1e-999999999", "99999999999999999999999", "2147483648", "0.1", "null", "true", "NaN", "/*", "*/", "//", "é", "\u0663",
        "\\x", "\\xFF", "\\u00", " ", "{\"a\":", "[[[[[[[[[[", "\"hiddenSize\":", "\"vocabulary\":[", "\"cutoffs\":[", "\"divValue\":", "\"token\":", "\"id\":",
    ];

    private static readonly UTF8Encoding s_strictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Texts of random bytes, read as Latin-1 so that every value comes up, or of random UTF-16 code units.</summary>
    public static Gen<string> Noise { get; } = Gen.OneOf(
        Gen.Byte.Array[0, 60].Select(Encoding.Latin1.GetString),
        Gen.UShort.Array[0, 60].Select(units => new string([.. units.Select(unit => (char)unit)])),
        Gen.OneOf(s_nastyPieces).Array[0, 30].Select(string.Concat));

    /// <summary>A valid text with a few stretches removed, repeated or replaced.</summary>
    public static Gen<string> Mutate(params string[] valid)
    {
        var edits = Gen.Select(Gen.Int[0, 1 << 20], Gen.Int[0, 6], Gen.OneOf(s_nastyPieces), Gen.Int[0, 3]).Array[1, 5];
        return Gen.Select(Gen.OneOf(valid), edits, (text, list) => list.Aggregate(text, (current, edit) =>
        {
            var (place, length, piece, kind) = edit;
            var start = place % (current.Length + 1);
            var end = Math.Min(current.Length, start + length);
            return kind switch
            {
                0 => current.Remove(start, end - start),
                1 => current.Insert(start, current[start..end]),
                2 => current.Insert(start, piece),
                _ => string.Concat(current.AsSpan(0, start), piece, current.AsSpan(end)),
            };
        }));
    }

    /// <summary>Checks that errors can be shown as they are: in order, inside the text, at the right line, on one line.</summary>
    public static void AssertPresentable(string text, string file, EquatableArray<SpecError> errors)
    {
        Assert.True(errors.Count <= 100);
        var previous = 0;
        foreach (var error in errors)
        {
            Assert.Equal(file, error.File);
            Assert.True(error.Span.Offset >= previous);
            Assert.True(error.Span.Length >= 0 && error.Span.Offset + error.Span.Length <= text.Length);
            previous = error.Span.Offset;
            Assert.Equal(LineAndColumn(text, error.Span.Offset), (error.Span.Line, error.Span.Column));
            AssertSentence(error.Message);
            AssertSentence(error.Remedy);
        }
    }

    private static void AssertSentence(string text)
    {
        Assert.InRange(text.Length, 8, 400);
        Assert.EndsWith(".", text, StringComparison.Ordinal);
        Assert.DoesNotContain(text, c => char.IsControl(c) || c is '\u2028' or '\u2029' or '\uFEFF');
        s_strictUtf8.GetByteCount(text);
    }

    private static (int Line, int Column) LineAndColumn(string text, int offset)
    {
        var lineEnds = LineEnd().Matches(text).Where(match => match.Index + match.Length <= offset).ToArray();
        var lineStart = lineEnds.Length == 0 ? (text.StartsWith('\uFEFF') ? 1 : 0) : lineEnds[^1].Index + lineEnds[^1].Length;
        return (lineEnds.Length + 1, offset - lineStart + 1);
    }

    [GeneratedRegex("\r\n|\r|\n")]
    private static partial Regex LineEnd();
}
