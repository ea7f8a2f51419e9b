using System.CommandLine;

namespace ServerSample;

/// <summary>The options that decide how the server decodes during a burst.</summary>
internal sealed class BurstArguments
{
    private static readonly BurstOptions s_standard = BurstOptions.TryParse("head-only", out _)!;

    public Option<string?> Policy { get; } = new("--burst-policy") { Description = "While many wait, compute at most N tails a token (budget:N), or none (head-only): faster, and no longer exact. Off if omitted.", HelpName = "POLICY" };

    public Option<int> Queue { get; } = new("--burst-queue") { Description = "The continuations that find no place in the batch from which on there is a burst.", HelpName = "N", DefaultValueFactory = _ => s_standard.Queue };

    public Option<int> Wait { get; } = new("--burst-wait") { Description = "The milliseconds that one of them has waited from which on there is a burst.", HelpName = "MS", DefaultValueFactory = _ => (int)s_standard.Wait.TotalMilliseconds };

    public BurstArguments()
    {
        Policy.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string?>() is { } text && BurstOptions.TryParse(text, out var error) is null) result.AddError(error!);
        });
        foreach (var option in new[] { Queue, Wait })
        {
            option.Validators.Add(result =>
            {
                if (result.GetValueOrDefault<int>() is var value && value is < 1 or > 1 << 20) result.AddError(FormattableString.Invariant($"{option.Name} is {value}; it must be from 1 to {1 << 20}."));
                if (!result.Implicit && result.GetValue(Policy) is null) result.AddError($"{option.Name} says when a policy is in force; give --burst-policy as well.");
            });
        }
    }

    /// <summary>All of them.</summary>
    public IEnumerable<Option> All => [Policy, Queue, Wait];

    /// <summary>What they say; null where there is no policy.</summary>
    public BurstOptions? Read(ParseResult parsed) => parsed.GetValue(Policy) is { } text
        ? BurstOptions.TryParse(text, out _)! with { Queue = parsed.GetValue(Queue), Wait = TimeSpan.FromMilliseconds(parsed.GetValue(Wait)) }
        : null;
}
