using System.Diagnostics.CodeAnalysis;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Diagnostics;

namespace AdaptiveSoftmax.Generators.Tests;

/// <summary>Properties of the build that the compiler shows generators.</summary>
internal sealed class BuildProperties : AnalyzerConfigOptionsProvider
{
    private readonly Properties _properties = new();

    public override AnalyzerConfigOptions GlobalOptions => _properties;

    public string this[string name]
    {
        set => _properties.Values["build_property." + name] = value;
    }

    public override AnalyzerConfigOptions GetOptions(SyntaxTree tree) => _properties;

    public override AnalyzerConfigOptions GetOptions(AdditionalText textFile) => _properties;

    private sealed class Properties : AnalyzerConfigOptions
    {
        public Dictionary<string, string> Values { get; } = new(KeyComparer);

        public override bool TryGetValue(string key, [NotNullWhen(true)] out string? value) => Values.TryGetValue(key, out value);
    }
}
