namespace AdaptiveSoftmax.Vocabulary;

/// <summary>The result of reading a spec and its token table: the definition, or what is wrong in either.</summary>
/// <param name="Definition">The definition, or null where there are errors.</param>
/// <param name="Errors">What is wrong: first the spec's errors, then the table's; empty exactly when there is a definition.</param>
public sealed record SoftmaxDefinitionReadResult(SoftmaxDefinition? Definition, EquatableArray<SpecError> Errors);

/// <summary>Reads a spec with its token table, at once or from pieces that were read and cached apart.</summary>
public static class SoftmaxDefinitionReader
{
    /// <summary>Reads a spec and, where it names one, its token table. Never throws for what the texts hold.</summary>
    /// <param name="specFile">The name of the spec, for errors.</param>
    /// <param name="specText">The whole text of the spec.</param>
    /// <param name="tableFile">The name of the token table, for errors; null where there is none.</param>
    /// <param name="tableText">The whole text of the token table; null where there is none.</param>
    /// <exception cref="ArgumentNullException">The spec's name or text is null.</exception>
    public static SoftmaxDefinitionReadResult Read(string specFile, string specText, string? tableFile = null, string? tableText = null)
    {
        var spec = SpecReader.Read(specFile, specText);
        var isTableUsed = spec.TableFile is not null && tableText is not null;
        return Combine(spec, isTableUsed ? TokenTableReader.Read(tableFile ?? spec.TableFile!, tableText!) : null);
    }

    /// <summary>
    /// Combines what was read apart. The errors of both are repeated, and those added that need both to be seen.
    /// </summary>
    /// <param name="spec">The spec that was read.</param>
    /// <param name="table">The token table that was read; null where it was not found. Not looked at where the spec names none.</param>
    /// <exception cref="ArgumentNullException">The spec is null.</exception>
    public static SoftmaxDefinitionReadResult Combine(SpecReadResult spec, TokenTableReadResult? table)
    {
        if (spec is null) throw new ArgumentNullException(nameof(spec));
        var added = new ErrorList(spec.File);
        if (spec.TableFile is { } tableFile)
        {
            if (table is null)
                added.Add(SpecErrorKind.TableMissing, spec.Positions.Vocabulary, $"The token table {Excerpt.Quote(tableFile)} was not found.", $"Put the file beside the spec and list it among the project's AdditionalFiles, or make it with `adaptive-softmax count`.");
            else if (table.Table is { } found && spec.Spec is { } parsed)
                CheckCutoffs(parsed, spec.Positions, found.Count, added);
        }
        else
        {
            table = null;
        }

        var errors = spec.Errors.Concat(added.ToArray()).OrderBy(error => error.Span.Offset).Concat(table?.Errors ?? default).ToArray();
        var tokens = spec.Spec?.InlineTable ?? table?.Table;
        if (errors.Length > 0 || spec.Spec is null || tokens is null)
            return new SoftmaxDefinitionReadResult(null, new EquatableArray<SpecError>(errors));
        var definition = new SoftmaxDefinition(spec.Spec, tokens, spec.Spec.CreateLayout(tokens.Count));
        return new SoftmaxDefinitionReadResult(definition, default);
    }

    private static void CheckCutoffs(SoftmaxSpec spec, SpecPositions positions, int vocabularySize, ErrorList errors)
    {
        for (var i = 0; i < spec.Cutoffs.Count; i++)
            CutoffErrors.CheckBelow(i, spec.Cutoffs[i], vocabularySize, positions.Cutoffs[i], errors);
    }
}
