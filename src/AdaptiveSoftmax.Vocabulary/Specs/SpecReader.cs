namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// Reads a spec, a <c>*.softmax.json</c>. The order of members, white space, line ends, a byte order mark and the
/// culture make no difference.
/// </summary>
public static class SpecReader
{
    /// <summary>Reads a spec. Never throws for what the text holds: whatever is wrong is in the result.</summary>
    /// <param name="file">The name of the file, for errors.</param>
    /// <param name="text">The whole text of the file.</param>
    /// <returns>The spec, or up to 100 errors in the order of the text.</returns>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    public static SpecReadResult Read(string file, string text)
    {
        if (file is null) throw new ArgumentNullException(nameof(file));
        if (text is null) throw new ArgumentNullException(nameof(text));
        var errors = new ErrorList(file);
        var root = JsonReader.Read(text, errors);
        var binder = new SpecBinder(errors);
        if (root is not null) binder.Bind(root);
        var spec = errors.Count == 0 ? binder.Spec : null;
        return new SpecReadResult(file, spec, binder.Spec.TableFile, binder.Positions, errors.ToArray());
    }
}
