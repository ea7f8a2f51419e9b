namespace AdaptiveSoftmax.Vocabulary;

/// <summary>Collects the errors of one file, up to a number that a reader can still take in.</summary>
internal sealed class ErrorList(string file)
{
    /// <summary>The most errors that one file reports.</summary>
    public const int Limit = 100;

    private readonly List<SpecError> _errors = [];

    public int Count => _errors.Count;

    public bool IsFull => _errors.Count >= Limit;

    public void Add(SpecErrorKind kind, SourceSpan span, FormattableString message, FormattableString remedy)
    {
        if (!IsFull)
            _errors.Add(new SpecError(kind, file, span, FormattableString.Invariant(message), FormattableString.Invariant(remedy)));
    }

    /// <summary>The errors in the order of the text; those at the same place stay in the order they were found.</summary>
    public EquatableArray<SpecError> ToArray() => new(_errors.OrderBy(error => error.Span.Offset));
}
