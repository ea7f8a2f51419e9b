using System.Globalization;
using AdaptiveSoftmax;

namespace ServerSample;

/// <summary>How the server decodes during a burst, and what a burst is. It begins at once and ends by itself.</summary>
internal sealed record BurstOptions
{
    private const string HeadOnly = "head-only";
    private const string Budget = "budget:";

    /// <summary>The policy's name, as the command line has it: <c>budget:1</c>, <c>head-only</c>.</summary>
    public required string Name { get; init; }

    /// <summary>How tokens are chosen while there is a burst.</summary>
    public required DecodePolicy Policy { get; init; }

    /// <summary>The continuations that find no place in the batch from which on there is a burst.</summary>
    public int Queue { get; init; } = 32;

    /// <summary>The time that one of them has waited from which on there is a burst.</summary>
    public TimeSpan Wait { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long queue and wait must be below a quarter of their bounds until it is over.</summary>
    public TimeSpan Calm { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Reads a policy.</summary>
    /// <param name="text">Its name.</param>
    /// <param name="error">What is wrong with it, and what to write.</param>
    /// <returns>The policy with the usual bounds; null where it is none.</returns>
    public static BurstOptions? TryParse(string text, out string? error)
    {
        error = null;
        if (text == HeadOnly) return new BurstOptions { Name = text, Policy = DecodePolicy.HeadOnly };
        if (text.StartsWith(Budget, StringComparison.Ordinal) && int.TryParse(text.AsSpan(Budget.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var tails) && tails > 0)
            return new BurstOptions { Name = string.Create(CultureInfo.InvariantCulture, $"{Budget}{tails}"), Policy = DecodePolicy.Budget(tails) };
        error = $"There is no policy '{text}'; write {Budget}N for at most N tails a token, N from 1 on, or {HeadOnly} for none.";
        return null;
    }
}
