using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Runtime.Loader;

namespace AdaptiveSoftmax.Vocabulary.Tests.Definitions;

/// <summary>Culture and build make no difference to what is read or said.</summary>
public class SameResultTests
{
    private static readonly (string Spec, string? Table)[] s_cases =
    [
        ("""{ "hiddenSize": 512, "vocabulary": "t", "cutoffs": [1, 2], "divValue": 1.6, "seed": 3 }""", "7\t120\tthe\n3\t5\ta\\xFF\n4\t5\t z\n"),
        ("""{ "hiddenSize": 11, "vocabulary": ["I", "i", { "bytes": "c3" }], "cutoffs": [1, 2], "divValue": 1.1e0 }""", null),
        ("""{ "hiddensize": -1.5, "vocabulary": "t", "cutoffs": [-1, 2.5], "divValue": 1e-9, "headBias": İ }""", "-7\t1.5\tthe\n4\t5\té\n"),
        ("""{ "hiddenSize": 8, "vocabulary": "t", "cutoffs": [1], "divValue": 16.25 }""", "7\t120"),
    ];

    [Fact]
    public void Culture_MakesNoDifference()
    {
        var expected = s_cases.Select(Describe).ToArray();
        var culture = (CultureInfo)CultureInfo.GetCultureInfo("tr-TR").Clone();
        culture.NumberFormat = new NumberFormatInfo { NegativeSign = "minus", NumberDecimalSeparator = "komma", NumberGroupSeparator = "." };
        var before = CultureInfo.CurrentCulture;
        try
        {
            CultureInfo.CurrentCulture = culture;
            Assert.Equal(expected, s_cases.Select(Describe));
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    [Fact]
    public void TheBuildThatTheGeneratorCarries_GivesTheSame()
    {
        var path = typeof(SameResultTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(attribute => attribute.Key == "NetStandardVocabulary").Value!;
        var assembly = new AssemblyLoadContext("netstandard2.0").LoadFromAssemblyPath(path);
        var read = assembly.GetType(typeof(SoftmaxDefinitionReader).FullName!)!.GetMethod(nameof(SoftmaxDefinitionReader.Read))!;

        Assert.NotSame(typeof(SoftmaxDefinitionReader).Assembly, assembly);
        Assert.All(s_cases, item => Assert.Equal(Describe(item), DescribeObject(read.Invoke(null, ["s", item.Spec, "t", item.Table])!)));
    }

    private static string Describe((string Spec, string? Table) item) =>
        DescribeObject(SoftmaxDefinitionReader.Read("s", item.Spec, "t", item.Table));

    private static string DescribeObject(object result)
    {
        var errors = ((IEnumerable)Get(result, nameof(SoftmaxDefinitionReadResult.Errors))!).Cast<object>();
        var definition = Get(result, nameof(SoftmaxDefinitionReadResult.Definition));
        return definition is null
            ? string.Join("\n", errors)
            : $"{Get(definition, nameof(SoftmaxDefinition.CanonicalSpec))} {Get(definition, nameof(SoftmaxDefinition.Fingerprint))}";
    }

    private static object? Get(object owner, string property) => owner.GetType().GetProperty(property)!.GetValue(owner);
}
