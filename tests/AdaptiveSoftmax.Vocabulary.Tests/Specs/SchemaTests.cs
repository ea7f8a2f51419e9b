using System.Text.Json;

namespace AdaptiveSoftmax.Vocabulary.Tests.Specs;

/// <summary>The published schema says what the reader does.</summary>
public class SchemaTests
{
    private static readonly JsonElement s_schema = Load();

    [Fact]
    public void Members_AreThoseTheReaderKnows()
    {
        var precision = Property("precision").GetProperty("properties");
        var token = s_schema.GetProperty("definitions").GetProperty("token").GetProperty("properties");

        Assert.Equal(SpecMembers.OfSpec, Names(s_schema.GetProperty("properties")));
        Assert.Equal(SpecMembers.OfPrecision, Names(precision));
        Assert.Equal(SpecMembers.OfToken, Names(token));
        Assert.Equal([SpecMembers.Adaptive, SpecMembers.Full], Property("softmax").GetProperty("enum").EnumerateArray().Select(name => name.GetString()!));
        Assert.Equal(WeightPrecisions.Names, s_schema.GetProperty("definitions").GetProperty("precision").GetProperty("enum").EnumerateArray().Select(name => name.GetString()!));
    }

    [Fact]
    public void RequiredMembers_AreThoseTheReaderMisses()
    {
        var required = s_schema.GetProperty("required").EnumerateArray().Concat(s_schema.GetProperty("else").GetProperty("required").EnumerateArray()).Select(name => $"The spec has no {name.GetString()}.");

        Assert.Equal(required, SpecReader.Read("s", "{}").Errors.Select(error => error.Message));
    }

    [Fact]
    public void Defaults_AreThoseOfTheSpec()
    {
        var defaults = new SoftmaxSpec();

        Assert.Equal(defaults.DivValue, Property("divValue").GetProperty("default").GetDouble());
        Assert.Equal(defaults.HeadBias, Property("headBias").GetProperty("default").GetBoolean());
        Assert.Equal(defaults.LogitScale, Property("logitScale").GetProperty("default").GetDouble());
        foreach (var name in new[] { SpecMembers.LogitScale, SpecMembers.LogitSoftCap })
            Assert.Equal((SoftmaxLayout.MinimumLogitFactor, SoftmaxLayout.MaximumLogitFactor), (Property(name).GetProperty("minimum").GetDouble(), Property(name).GetProperty("maximum").GetDouble()));
        Assert.Equal(defaults.Seed, Property("seed").GetProperty("default").GetUInt64());
        Assert.Equal(SoftmaxSpec.MaximumWidth, Property("hiddenSize").GetProperty("maximum").GetInt32());
        Assert.Equal(ulong.MaxValue, Property("seed").GetProperty("maximum").GetUInt64());
    }

    [Fact]
    public void EveryMember_IsDescribed() =>
        Assert.All(s_schema.GetProperty("properties").EnumerateObject(), member => Assert.EndsWith(".", member.Value.GetProperty("description").GetString(), StringComparison.Ordinal));

    private static JsonElement Property(string name) => s_schema.GetProperty("properties").GetProperty(name);

    private static IEnumerable<string> Names(JsonElement properties) => properties.EnumerateObject().Select(member => member.Name);

    private static JsonElement Load()
    {
        using var stream = typeof(SchemaTests).Assembly.GetManifestResourceStream("softmax.schema.json")!;
        using var document = JsonDocument.Parse(stream);
        return document.RootElement.Clone();
    }
}
