using System.Globalization;
using System.Numerics;
using System.Text.Json;
using AdaptiveSoftmax.Testing;
using CsCheck;

namespace AdaptiveSoftmax.Vocabulary.Tests.Specs;

/// <summary>No text makes the reader throw, and what it says of any text holds up.</summary>
public class SpecFuzzTests
{
    private static readonly string[] s_valid =
    [
        """{"hiddenSize":512,"vocabulary":"news.tokens","cutoffs":[2000,10000],"divValue":4.0,"headBias":false,"precision":{"head":"float32","tails":["float32","float32"]},"seed":1}""",
        """{"hiddenSize":512,"vocabulary":"news.tokens","softmax":"full","headBias":false,"logitScale":0.5,"logitSoftCap":30,"precision":{"head":"int8"}}""",
        """
        {
          "$schema": "softmax.schema.json",
          "hiddenSize": 16, "projections": [2, 1], "cutoffs": [1, 3],
          "vocabulary": ["the", "caf\u00e9 \ud83d\ude00", { "token": "x\\\"", "id": 70, "count": 12 }, { "bytes": "ff00C3" }, ""]
        }
        """,
    ];

    [Fact]
    public void RandomText_NeverThrows() => Fuzzing.Noise.Sample(Check, iter: 30_000);

    [Fact]
    public void MutatedSpecs_NeverThrow() => Fuzzing.Mutate(s_valid).Sample(Check, iter: 60_000);

    [Fact]
    [MoreAtNight]
    public void SpecsWithOtherValues_AreReadOrRefused() => DamagedInputs.Read(mutator => mutator.Json(mutator.Any(s_valid)), text =>
    {
        Check(text);
        var result = SpecReader.Read("s", text);
        if (result.Spec is null) throw new FormatException(result.Errors[0].ToString());
    }, exception => exception is FormatException);

    [Fact]
    public void SpecsCutOffAnywhere_AreErrors()
    {
        foreach (var text in s_valid)
        {
            Assert.NotNull(SpecReader.Read("s", text).Spec);
            for (var length = 0; length < text.Length; length++)
            {
                Check(text[..length]);
                Assert.Null(SpecReader.Read("s", text[..length]).Spec);
            }
        }
    }

    [Fact]
    public void Json_IsTakenExactlyWhereTheFrameworksParserTakesIt()
    {
        Gen.OneOf(Fuzzing.Mutate(s_valid), Fuzzing.Noise).Where(text => !text.Any(char.IsSurrogate) && !text.StartsWith('\uFEFF')).Sample(text =>
        {
            var isJson = !SpecReader.Read("s", text).Errors.Any(error => error.Kind == SpecErrorKind.MalformedJson ||
                (error.Kind == SpecErrorKind.BadEscape));
            Assert.Equal(IsJson(text), isJson);
        }, iter: 60_000);

        static bool IsJson(string text)
        {
            try
            {
                using var document = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = 33 });
                return true;
            }
            catch (JsonException)
            {
                return false;
            }
        }
    }

    [Fact]
    public void WholeNumbers_AreExactInEveryNotation()
    {
        var numbers =
            from sign in Gen.OneOf("", "-")
            from whole in Gen.OneOf(Gen.UInt.Select(value => value.ToString(CultureInfo.InvariantCulture)), Gen.ULong.Select(value => value.ToString(CultureInfo.InvariantCulture)))
            from fraction in Gen.OneOf(Gen.Const(""), Gen.OneOf("0", "00", "5", "25", "10", "001").Select(digits => "." + digits))
            from exponent in Gen.OneOf(Gen.Const(""), Gen.Int[-12, 12].Select(value => "e" + value.ToString(CultureInfo.InvariantCulture)))
            select sign + whole + fraction + exponent;
        numbers.Sample(text =>
        {
            var isWhole = JsonNumber.TryGetInteger(text, out var isNegative, out var magnitude);
            var (value, expectedWhole) = Exact(text);
            Assert.Equal(expectedWhole, isWhole);
            if (!isWhole) return;
            Assert.Equal(BigInteger.Min(BigInteger.Abs(value), ulong.MaxValue), magnitude);
            Assert.Equal(text[0] == '-', isNegative);
        }, iter: 30_000);

        static (BigInteger Value, bool IsWhole) Exact(string text)
        {
            var parts = text.Split('e');
            var exponent = parts.Length > 1 ? int.Parse(parts[1], CultureInfo.InvariantCulture) : 0;
            var point = parts[0].IndexOf('.', StringComparison.Ordinal);
            var decimals = point < 0 ? 0 : parts[0].Length - point - 1;
            // Scaled by 10^40, which every exponent and fraction drawn above divides.
            var scaled = BigInteger.Parse(parts[0].Replace(".", "", StringComparison.Ordinal), CultureInfo.InvariantCulture) * BigInteger.Pow(10, 40 + exponent - decimals);
            var value = BigInteger.DivRem(scaled, BigInteger.Pow(10, 40), out var rest);
            return (value, rest.IsZero);
        }
    }

    private static void Check(string text)
    {
        var result = SpecReader.Read("s", text);
        Assert.Equal(result.Errors.Count == 0, result.Spec is not null);
        Fuzzing.AssertPresentable(text, "s", result.Errors);
        if (result.Spec is not { } spec) return;
        Assert.Equal(spec.Cutoffs.Count, spec.TailPrecisions.Count);
        var layout = spec.CreateLayout(spec.InlineTable?.Count ?? int.MaxValue);
        Assert.Equal(spec.Cutoffs, layout.Tails.Select(tail => tail.Start));
        using var writer = new StringWriter();
        SpecWriter.Write(writer, spec);
        Assert.Equal(spec, SpecReader.Read("again", writer.ToString()).Spec);
    }
}
