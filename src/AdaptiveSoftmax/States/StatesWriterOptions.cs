namespace AdaptiveSoftmax;

/// <summary>What a states file holds beside hidden vectors and targets.</summary>
public sealed record StatesWriterOptions
{
    /// <summary>The type of hidden values.</summary>
    public StatesPrecision Precision { get; init; }

    /// <summary>The domains' names, if each state has a domain.</summary>
    public IReadOnlyList<string> Domains { get; init; } = [];

    /// <summary>Whether each state has a loss.</summary>
    public bool HasLosses { get; init; }

    /// <summary>Strings to save beside the tensors.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();
}
