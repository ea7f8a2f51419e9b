namespace LanguageModelSample;

/// <summary>How much of the study to run.</summary>
internal sealed record StudyOptions
{
    /// <summary>The steps of each training run.</summary>
    public int Steps { get; init; } = 10_000;

    /// <summary>The seeds: of the first weights and of the order of the text.</summary>
    public int Seeds { get; init; } = 3;

    /// <summary>The peak learning rates of which each softmax has its best one.</summary>
    public IReadOnlyList<double> Rates { get; init; } = [0.04, 0.08, 0.16];

    /// <summary>The targets of a step.</summary>
    public int BatchSize { get; init; } = Trainer.BatchSize;

    /// <summary>The held-out tokens that choose a rate, and as many others that judge.</summary>
    public int HeldOutTokens { get; init; } = 16_384;

    /// <summary>The texts that each model writes.</summary>
    public int Texts { get; init; } = 64;

    /// <summary>The tokens of each text.</summary>
    public int TextTokens { get; init; } = 128;

    /// <summary>Where each run's figures are added as a line of JSON as soon as it ends; runs that are there are not done again.</summary>
    public required string ResultsPath { get; init; }

    /// <summary>What every run has in common, so that a file's lines are comparable.</summary>
    public string Key => FormattableString.Invariant($"{Steps} steps of {BatchSize}, {HeldOutTokens} held-out tokens, {Texts} texts of {TextTokens}");

    /// <summary>A study in a minute or two, which shows that everything works and nothing else.</summary>
    public static StudyOptions Quick(string resultsPath) => new() { Steps = 40, Seeds = 2, Rates = [0.08, 0.16], BatchSize = 64, HeldOutTokens = 2048, Texts = 8, TextTokens = 32, ResultsPath = resultsPath };
}
