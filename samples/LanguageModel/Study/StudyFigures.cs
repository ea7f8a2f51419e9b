namespace LanguageModelSample;

/// <summary>What a training run of the study came to.</summary>
internal sealed record StudyFigures
{
    /// <summary>The softmax.</summary>
    public required string Variant { get; init; }

    /// <summary>The peak learning rate.</summary>
    public required double Rate { get; init; }

    public required int Seed { get; init; }

    /// <summary><see cref="StudyOptions.Key"/> and the text's sizes.</summary>
    public required string Key { get; init; }

    /// <summary>The perplexity by which the rate is chosen.</summary>
    public required double ValidationPerplexity { get; init; }

    /// <summary>The perplexity of other held-out text.</summary>
    public required double Perplexity { get; init; }

    /// <summary>The same of targets in each tenth of the occurrences, the most frequent first; NaN where none is.</summary>
    public required IReadOnlyList<double> PerplexityByDecile { get; init; }

    /// <summary>The same of targets of the study's clusters: shortlist, first tail, second tail, whichever softmax it is.</summary>
    public required IReadOnlyList<double> PerplexityByCluster { get; init; }

    /// <summary>How many of all targets are the most probable token.</summary>
    public required double Accuracy { get; init; }

    /// <summary>The same of targets outside the shortlist.</summary>
    public required double TailAccuracy { get; init; }

    /// <summary>Different n-grams over all n-grams of the texts that the model writes, n from 1 to 3.</summary>
    public required IReadOnlyList<double> Distinct { get; init; }

    /// <summary>The share of 4-grams that stand earlier in the same text.</summary>
    public required double Repetition { get; init; }

    /// <summary>The mean processor time of a step in milliseconds, body and optimizer included, over all threads.</summary>
    public required double StepProcessorMilliseconds { get; init; }

    /// <summary>The median time of a step in milliseconds.</summary>
    public required double StepMilliseconds { get; init; }

    /// <summary>The median time of a greedy prediction in microseconds, without the body.</summary>
    public required double DecodeMicroseconds { get; init; }

    /// <summary>The seconds of the training.</summary>
    public required double Seconds { get; init; }
}
