using Xunit.v3;

namespace AdaptiveSoftmax.Testing;

/// <summary>Whether tests do all that a night has time for: <c>eng/nightly.sh</c> says so by <c>ADAPTIVE_SOFTMAX_TESTS=nightly</c>.</summary>
internal static class Nightly
{
    public static bool IsOn { get; } = Environment.GetEnvironmentVariable("ADAPTIVE_SOFTMAX_TESTS") == "nightly";

    /// <summary>How much of something to do.</summary>
    public static int Count(int usually, int nightly) => IsOn ? nightly : usually;
}

/// <summary>Marks tests that do more at night; the others need not run then.</summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method)]
internal sealed class MoreAtNightAttribute : Attribute, ITraitAttribute
{
    public IReadOnlyCollection<KeyValuePair<string, string>> GetTraits() => [KeyValuePair.Create("nightly", "more")];
}

/// <summary>Marks tests that run at night alone: <c>eng/run-tests.sh</c> leaves them out by day.</summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method)]
internal sealed class OnlyAtNightAttribute : Attribute, ITraitAttribute
{
    public IReadOnlyCollection<KeyValuePair<string, string>> GetTraits() => [KeyValuePair.Create("nightly", "more"), KeyValuePair.Create("nightly", "only")];
}
