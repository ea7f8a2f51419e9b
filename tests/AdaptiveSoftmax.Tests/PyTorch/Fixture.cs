using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.PyTorch;

/// <summary>
/// A state dict that PyTorch saved, and what PyTorch's module made of it in float64: see tests/fixtures/pytorch/make.py.
/// </summary>
internal sealed class Fixture
{
    private readonly JsonElement _arguments;
    private readonly Dictionary<string, (long[] Shape, double[] Values)> _arrays;

    private Fixture(JsonElement arguments)
    {
        _arguments = arguments;
        Name = arguments.GetProperty("name").GetString()!;
        _arrays = ReadArrays(GetPath($"{Name}.safetensors"));
    }

    /// <summary>The names of all cases.</summary>
    public static TheoryData<string> Names => [.. Cases().Select(one => one.GetProperty("name").GetString()!)];

    public string Name { get; }

    /// <summary>The state dict.</summary>
    public string WeightsFile => GetPath($"{Name}.pt");

    public int[] Cutoffs => [.. _arguments.GetProperty("cutoffs").EnumerateArray().Select(value => value.GetInt32())];

    public double DivValue => _arguments.GetProperty("div_value").GetDouble();

    /// <summary>The layout by the rule of projection widths, not by the file's shapes.</summary>
    public SoftmaxLayout Layout => SoftmaxLayout.Create(
        _arguments.GetProperty("hidden").GetInt32(), _arguments.GetProperty("classes").GetInt32(), Cutoffs, DivValue, _arguments.GetProperty("head_bias").GetBoolean());

    /// <summary>The shapes in PyTorch's state dict.</summary>
    public Dictionary<string, long[]> Shapes => _arguments.GetProperty("shapes").EnumerateObject()
        .ToDictionary(member => member.Name, member => member.Value.EnumerateArray().Select(value => value.GetInt64()).ToArray());

    public int Tokens => Targets.Length;

    public int[] Targets => [.. this["target"].Select(value => (int)value)];

    /// <summary>The hidden vectors, [tokens, hidden], each of which float32 holds.</summary>
    public float[] Input => [.. this["input"].Select(value => (float)value)];

    /// <summary>The numbers of an array in row-major order.</summary>
    public double[] this[string name] => _arrays[name].Values;

    public bool Has(string name) => _arrays.ContainsKey(name);

    public static Fixture Find(string name) => new(Cases().Single(one => one.GetProperty("name").GetString() == name));

    /// <summary>The path of a file among the fixtures.</summary>
    public static string GetPath(string name) => Path.Combine(AppContext.BaseDirectory, "fixtures", "pytorch", name);

    /// <summary>Reads F64, F32 and I64 arrays of a safetensors file, without the reader that is under test.</summary>
    public static Dictionary<string, (long[] Shape, double[] Values)> ReadArrays(string path)
    {
        var bytes = File.ReadAllBytes(path);
        var length = (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        using var header = JsonDocument.Parse(bytes.AsMemory(8, length));
        return header.RootElement.EnumerateObject().Where(member => member.Name != "__metadata__").ToDictionary(member => member.Name, member =>
        {
            var offsets = member.Value.GetProperty("data_offsets").EnumerateArray().Select(value => 8 + length + value.GetInt32()).ToArray();
            var data = bytes.AsSpan(offsets[0]..offsets[1]);
            double[] values = member.Value.GetProperty("dtype").GetString() switch
            {
                "F64" => MemoryMarshal.Cast<byte, double>(data).ToArray(),
                "F32" => [.. MemoryMarshal.Cast<byte, float>(data).ToArray().Select(value => (double)value)],
                "I64" => [.. MemoryMarshal.Cast<byte, long>(data).ToArray().Select(value => (double)value)],
                var type => throw new InvalidDataException($"{path} has numbers of type {type}."),
            };
            return (member.Value.GetProperty("shape").EnumerateArray().Select(value => value.GetInt64()).ToArray(), values);
        });
    }

    /// <summary>Asserts that values differ from the fixture's by rounding alone.</summary>
    /// <param name="name">The array.</param>
    /// <param name="actual">The values in row-major order.</param>
    /// <param name="tolerance">The greatest difference, of 1 or of the expected value if that is larger.</param>
    public void AssertClose(string name, ReadOnlySpan<float> actual, double tolerance = 2e-5) =>
        AssertClose(name, [.. actual.ToArray().Select(value => (double)value)], tolerance);

    /// <inheritdoc cref="AssertClose(string, ReadOnlySpan{float}, double)"/>
    public void AssertClose(string name, ReadOnlySpan<double> actual, double tolerance)
    {
        var expected = this[name];
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) <= tolerance * Math.Max(1, Math.Abs(expected[i])), $"{Name}: {name}[{i}] is {actual[i]}, and PyTorch has {expected[i]}.");
    }

    private static JsonElement[] Cases()
    {
        using var document = JsonDocument.Parse(File.ReadAllText(GetPath("cases.json")));
        return [.. document.RootElement.Clone().EnumerateArray()];
    }
}
