namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// Reads a spec, a <c>*.softmax.json</c>. The order of members, white space, line ends, a byte order mark and the
/// culture make no difference; <c>schema/softmax.schema.json</c> describes the members.
/// </summary>
/// <remarks>
/// The vocabulary is a token table's name or a list of tokens. In a list, a string is a token's text, which stands for
/// its bytes in UTF-8, with its index as id and the count 0; an object gives the text as <c>token</c> or any bytes as
/// <c>bytes</c> (hexadecimal, two digits each), and an <c>id</c> and a <c>count</c> where they differ. Inline tokens
/// may stand in any order: they are ranked as a table is, by descending count, ties by ascending id.
/// </remarks>
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
