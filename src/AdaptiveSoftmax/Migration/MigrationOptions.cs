using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>How far a migration is.</summary>
/// <param name="Stage">What it does.</param>
/// <param name="Share">How much of that is done, from 0 to 1.</param>
public readonly record struct MigrationProgress(string Stage, double Share);

/// <summary>A token of the old vocabulary that a new one was split into.</summary>
/// <param name="Token">The old token's bytes.</param>
/// <param name="Weight">How much of the new token's start comes from it.</param>
public readonly record struct SplitPart(ReadOnlyMemory<byte> Token, double Weight);

/// <summary>How weights are migrated.</summary>
public sealed record MigrationOptions
{
    /// <summary>
    /// A <see cref="StatesFile"/> of the model, to fit rows and gates over. Without one, states are made up that the head's rows and
    /// the tokens' counts tell of: a start to train on from, whose perplexity may be some times the former one, and nothing says so
    /// without <see cref="JudgeStatesPath"/>.
    /// </summary>
    public string? StatesPath { get; init; }

    /// <summary>A states file to judge by; null to judge by a quarter of <see cref="StatesPath"/>, which nothing is fitted over then.</summary>
    public string? JudgeStatesPath { get; init; }

    /// <summary>How many states rows and gates are fitted over at most, evenly spread over the file.</summary>
    public int FitStates { get; init; } = 16_384;

    /// <summary>How many states are judged at most.</summary>
    public int JudgeStates { get; init; } = 8_192;

    /// <summary>
    /// Steps of distillation over the states after the migration: rows and gates that moved learn the old model's log-probs; 0 for
    /// none.
    /// </summary>
    public int PolishSteps { get; init; }

    /// <summary>Whether polishing changes all of the weights, also those that kept their bits.</summary>
    public bool PolishAll { get; init; }

    /// <summary>The learning rate of polishing, which falls to 0 over its steps.</summary>
    public double PolishLearningRate { get; init; } = 1e-3;

    /// <summary>The states of a step of polishing.</summary>
    public int PolishBatch { get; init; } = 256;

    /// <summary>
    /// The share of the states' own targets in what polishing learns, from 0 to 1; the rest is the old model's log-probs. More of it
    /// needs more states, since their targets say less than a whole distribution.
    /// </summary>
    public double PolishTargetShare { get; init; } = 0.2;

    /// <summary>The share of all tokens that is planned for tails of new tokens alone; null for that of their counts in the new table.</summary>
    public double? AddedShare { get; init; }

    /// <summary>
    /// Counts of new tokens, in place of those of the new table, which is sorted by them and so counts a domain's tokens below all
    /// others; null for the table's.
    /// </summary>
    public TokenTable? AddedCounts { get; init; }

    /// <summary>
    /// The old tokens that a new token was split into, as the tokenizer splits it; null for the longest old tokens from left to right.
    /// </summary>
    public Func<ReadOnlyMemory<byte>, IReadOnlyList<SplitPart>>? Splits { get; init; }

    /// <summary>What stands before the softmax's names in the file, for example <c>decoder.softmax.</c>.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>The number of threads, at least 1; null for all processors. No bit depends on it.</summary>
    public int? Threads { get; init; }

    /// <summary>Told how far it is.</summary>
    public Action<MigrationProgress>? Progress { get; init; }
}
