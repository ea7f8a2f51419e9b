using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// Carries trained weights to another vocabulary: another order of tokens, other cutoffs or widths, tokens added and removed, a
/// domain as a new tail, a dense head made adaptive. All are one map of scores to a layout (docs/lifecycle.md).
/// </summary>
/// <remarks>
/// Tokens that keep cluster and companions keep every bit. Others get their effective row in the head, or a factorisation with the
/// least expected error over states in a tail; gates are fitted to the mass of their members. The rest of a checkpoint goes along:
/// other tensors as they are, optimizer state where a row kept its meaning, zero elsewhere. The same files give the same bytes for
/// any number of threads.
/// </remarks>
public static class SoftmaxMigration
{
    /// <summary>Migrates a file of weights or a training checkpoint.</summary>
    /// <param name="weightsPath">The file, in any form that <see cref="WeightsFile.Open(string)"/> takes.</param>
    /// <param name="from">The spec and vocabulary that it was trained with.</param>
    /// <param name="to">Those that it is for from now on. Tokens are the same where their bytes are.</param>
    /// <param name="outputPath">The file to write, safetensors, atomically.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="cancellationToken">Ends it, and leaves a file that was there as it was.</param>
    /// <returns>What was done.</returns>
    /// <exception cref="ArgumentException">The two share no token, have other hidden sizes, an option is out of range, the file holds input embeddings by slot, or a head loses its bias without states.</exception>
    /// <exception cref="CheckpointMismatchException">The file is not of <paramref name="from"/>.</exception>
    /// <exception cref="WeightsFormatException">A file is damaged, or states do not fit.</exception>
    /// <exception cref="IOException">A file cannot be read or written.</exception>
    public static MigrationReport Migrate(string weightsPath, SoftmaxDefinition from, SoftmaxDefinition to, string outputPath, MigrationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(from);
        ArgumentNullException.ThrowIfNull(to);
        options = Check(options);
        RefuseMap(from, to);
        var map = TokenMap.Create(from, to);
        using var file = WeightsFile.Open(weightsPath);
        var mark = file.Metadata.TryGetValue(IdentityMetadata.Key, out var json) ? IdentityMetadata.Parse(file, json) : null;
        var identity = new SoftmaxIdentity(from.Layout, from.Fingerprint, from.VocabularyFingerprint);
        IdentityMetadata.Check(file.FileName, mark, identity, acceptUnmarked: true, "Give the spec and token table that the weights were trained with.");
        InputEmbeddings.FindPrefixes(file, map);
        using var source = SoftmaxWeights.Read(file, options.Prefix, from.Layout, cancellationToken);
        var job = map.Removed == 0 && IsExtension(map) ? "extend" : "migrate";
        var step = new MigrationStep(job, from.Fingerprint, from.VocabularyFingerprint, to.Fingerprint, to.VocabularyFingerprint, options.PolishSteps);
        var splits = new TokenSplits(from.Table, options.Splits);
        using var run = new MigrationRun(options, map, source, from.Table.Ids.ToArray(), to);
        var report = run.Execute(Counts(from), CountsWithAdded(map, to, options.AddedCounts), slot => splits.Split(to.Table.GetToken(slot)), cancellationToken);
        using var output = new MigratedFile(file, options.Prefix);
        output.Embeddings = InputEmbeddings.Migrate(
            WorkerPool.Get(ThreadCount.OrDefault(options.Threads, nameof(options))), file, map, CountsWithAdded(map, to, options.AddedCounts), slot => splits.Split(to.Table.GetToken(slot)), cancellationToken);
        Write(output, outputPath, map, source, run, to, step, options, cancellationToken);
        return report;
    }

    /// <summary>
    /// Makes the dense output layer of a model an adaptive softmax, which is a change of the model: its rows have full rank, and a
    /// tail's width has not. The rest of the model goes along, an embedding that the layer was tied to included.
    /// </summary>
    /// <param name="modelPath">The model: a file, an index, or the folder of a Hugging Face checkpoint.</param>
    /// <param name="to">The spec and vocabulary, whose token ids are the layer's rows. Rows without a token are left out.</param>
    /// <param name="outputPath">The file to write, safetensors, atomically.</param>
    /// <param name="headName">The name of the output layer's weight, [vocabulary, hidden]; null to look for common ones.</param>
    /// <param name="options">How, with the prefix of the new names; null for the defaults.</param>
    /// <param name="cancellationToken">Ends it, and leaves a file that was there as it was.</param>
    /// <returns>What was done.</returns>
    /// <exception cref="ArgumentException">The hidden sizes differ, an id is no row, an option is out of range, or a head loses its bias without states.</exception>
    /// <exception cref="CheckpointMismatchException">The <c>config.json</c> beside the model caps its logits, or says that its output layer is another. A scale of logits goes into the rows.</exception>
    /// <exception cref="WeightsFormatException">A file is damaged, has no output layer, or states do not fit.</exception>
    /// <exception cref="IOException">A file cannot be read or written.</exception>
    public static MigrationReport Adopt(string modelPath, SoftmaxDefinition to, string outputPath, string? headName = null, MigrationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(to);
        options = Check(options);
        RefuseMap(to);
        using var file = WeightsFile.Open(modelPath);
        var head = DenseHead.Find(file, headName);
        var map = TokenMap.OfIds(SoftmaxLayout.CreateFull(head.HiddenSize, head.Rows), to);
        using var source = DenseWeights.Read(file, head, cancellationToken);
        map = map with { From = source.Layout };
        var step = new MigrationStep("adopt", "", "", to.Fingerprint, to.VocabularyFingerprint, options.PolishSteps);
        using var run = new MigrationRun(options, map, source, Enumerable.Range(0, source.Layout.VocabularySize), to);
        var report = run.Execute(DenseCounts(map, to), Counts(to), _ => [], cancellationToken);
        using var output = new MigratedFile(file, options.Prefix);
        if (!head.IsTied) output.Replaced.Add(head.Weight.Name);
        if (head.Bias is not null) output.Replaced.Add(head.Bias.Name);
        Write(output, outputPath, map, source, run, to, step, options, cancellationToken);
        return report;
    }

    /// <summary>
    /// The spec of a vocabulary with a domain as one more tail: head and tails stay as they are, and the new tokens follow them.
    /// </summary>
    /// <param name="from">The spec and vocabulary so far.</param>
    /// <param name="domain">The domain's tokens with their counts; those that are there already are left out.</param>
    /// <param name="projectionWidth">The width of the new tail.</param>
    /// <param name="tableFile">What the new spec calls its token table.</param>
    /// <param name="share">Receives the domain's share of all counted tokens, for <see cref="MigrationOptions.AddedShare"/>.</param>
    /// <returns>The new definition. Its table counts the new tokens below all others, since slots are ranks.</returns>
    /// <exception cref="ArgumentException">Nothing is new, an id is taken, or the width is out of range.</exception>
    public static SoftmaxDefinition Extend(SoftmaxDefinition from, TokenTable domain, int projectionWidth, string tableFile, out double share) =>
        VocabularyExtension.Extend(from, domain, projectionWidth, tableFile, out share);

    /// <summary>The migrations that a file of weights went through, the first one first; empty where there were none.</summary>
    /// <param name="file">The file.</param>
    /// <exception cref="WeightsFormatException">Its metadata is damaged.</exception>
    public static IReadOnlyList<MigrationStep> ReadChain(WeightsFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        return MigrationChain.Read(file);
    }

    private static void Write(MigratedFile output, string path, TokenMap map, SoftmaxWeights source, MigrationRun run, SoftmaxDefinition to, MigrationStep step, MigrationOptions options, CancellationToken cancellationToken)
    {
        options.Progress?.Invoke(new MigrationProgress("write", 0));
        output.Write(path, ParameterOrigin.Of(map, source, run.Builder), [.. source.Parameters], to, step, cancellationToken);
    }

    private static double[] Counts(SoftmaxDefinition definition) => [.. Enumerable.Range(0, definition.Table.Count).Select(slot => (double)definition.Table.GetCount(slot))];

    private static double[] CountsWithAdded(TokenMap map, SoftmaxDefinition to, TokenTable? added)
    {
        var counts = Counts(to);
        if (added is null) return counts;
        var byToken = new Dictionary<ReadOnlyMemory<byte>, long>(added.Count, TokenBytes.Comparer);
        for (var slot = 0; slot < added.Count; slot++) byToken.Add(added.GetToken(slot).ToArray(), added.GetCount(slot));
        for (var slot = 0; slot < counts.Length; slot++)
        {
            if (map.Sources[slot] < 0 && byToken.TryGetValue(to.Table.GetToken(slot).ToArray(), out var count)) counts[slot] = count;
        }

        return counts;
    }

    private static double[] DenseCounts(TokenMap map, SoftmaxDefinition to)
    {
        var counts = new double[map.From.VocabularySize];
        for (var slot = 0; slot < map.Sources.Length; slot++) counts[map.Sources[slot]] = to.Table.GetCount(slot);
        return counts;
    }

    // All that was there stands where it stood, and all that is new behind it.
    private static bool IsExtension(TokenMap map) =>
        map.Added > 0 && map.To.TailCount == map.From.TailCount + 1 && map.From.Tails.SequenceEqual(map.To.Tails.Take(map.From.TailCount))
        && !map.Sources.Where((source, slot) => source != (slot < map.From.VocabularySize ? slot : -1)).Any();

    // Rows are mixed and judged as if their products were the logits.
    private static void RefuseMap(params ReadOnlySpan<SoftmaxDefinition> definitions)
    {
        foreach (var definition in definitions)
        {
            if (definition.Layout.MapsLogits)
                throw new ArgumentException("A softmax with logitScale or logitSoftCap is not migrated; for another order of the tokens of a dense head, load the head again with the new spec.", nameof(definitions));
        }
    }

    private static MigrationOptions Check(MigrationOptions? options)
    {
        options ??= new MigrationOptions();
        Require(options.FitStates >= 1, nameof(options.FitStates), "at least 1");
        Require(options.JudgeStates >= 1, nameof(options.JudgeStates), "at least 1");
        Require(options.PolishSteps >= 0, nameof(options.PolishSteps), "0 or more");
        Require(options.PolishBatch >= 1, nameof(options.PolishBatch), "at least 1");
        Require(options.PolishLearningRate > 0 && double.IsFinite(options.PolishLearningRate), nameof(options.PolishLearningRate), "positive and finite");
        Require(options.PolishTargetShare is >= 0 and <= 1, nameof(options.PolishTargetShare), "from 0 to 1");
        Require(options.AddedShare is null or (> 0 and < 1), nameof(options.AddedShare), "between 0 and 1");
        Require(options.Threads is null or >= 1, nameof(options.Threads), "at least 1");
        return options;

        static void Require(bool isTrue, string name, string what)
        {
            if (!isTrue) throw new ArgumentException($"{name} must be {what}.", nameof(options));
        }
    }
}
