namespace LanguageModelSample;

/// <summary>What a file holds of a run besides model and optimizer.</summary>
/// <param name="Step">The steps taken.</param>
/// <param name="Strings">The rest.</param>
internal sealed record SavedRun(long Step, IReadOnlyDictionary<string, string> Strings);
