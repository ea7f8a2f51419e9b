namespace LanguageModelSample;

/// <summary>What a file holds of a run besides model and optimizer.</summary>
/// <param name="Step">The steps taken.</param>
/// <param name="Strings">The rest.</param>
internal sealed record SavedRun(long Step, IReadOnlyDictionary<string, string> Strings)
{
    /// <summary>What a checkpoint holds.</summary>
    public static SavedRun From(long step, IDictionary<string, string> strings) => new(step, strings.AsReadOnly());

    /// <summary>Puts it into a checkpoint's strings.</summary>
    /// <returns>The step.</returns>
    public long AddTo(IDictionary<string, string> strings)
    {
        foreach (var (key, value) in Strings) strings[key] = value;
        return Step;
    }
}
