using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Security.Cryptography;
using AdaptiveSoftmax;
using AdaptiveSoftmax.Corpus;
using AdaptiveSoftmax.Vocabulary;
using LanguageModelSample;
using Spectre.Console;

namespace ServerSample;

/// <summary>Loads the language model of the sample beside this one, or trains a small one where there is none yet.</summary>
internal sealed class ModelLoader(IAnsiConsole console, int threads, ServedHead head = ServedHead.Stored)
{
    private const ulong Seed = 1;

    /// <summary>Where the sample saves its model.</summary>
    public static string DefaultCheckpoint { get; } = Path.Combine("artifacts", "language-model.safetensors");

    /// <summary>Loads the model from a checkpoint.</summary>
    /// <param name="path">The checkpoint.</param>
    /// <param name="spec">What its softmax was migrated to; null where it is that of the generated class.</param>
    /// <exception cref="CheckpointMismatchException">It is of another model.</exception>
    /// <exception cref="InvalidDataException">The spec has tokens that the tokenizer has not.</exception>
    /// <exception cref="WeightsFormatException">The file is damaged.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public ServedModel Load(string path, SoftmaxDefinition? spec = null)
    {
        var tokenizer = CorpusTokenizer.Create("o200k_base");
        if (spec is not null) CheckTokens(spec.Table, tokenizer.Vocabulary);
        var model = spec is null ? Models.CreateAdaptive(Seed, threads) : Models.CreateAdaptive(Seed, threads, spec);
        try
        {
            var checkpoint = new Checkpoint(model.Softmax, model.Body.Parameters);
            checkpoint.Restore(path);
            var baseline = spec is null
                ? DriftBaseline.FromTable(Path.Combine(AppContext.BaseDirectory, "ApiDocs.tokens"), model.Softmax.Identity)
                : new DriftBaseline(spec.Table, spec.Layout);
            Say($"Serving {path}, {checkpoint.Step:N0} steps of training, {model.Layout.VocabularySize:N0} tokens.");
            return new ServedModel("api-docs", model, tokenizer, baseline, FingerprintOf(model, head)) { Head = ServedHeads.Create(model.Softmax, head) };
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Trains a model and saves it.</summary>
    /// <param name="path">The checkpoint to make.</param>
    /// <param name="seconds">How long to train.</param>
    /// <param name="cancellation">Stops the training; the checkpoint then holds what was learned.</param>
    /// <exception cref="CorpusException">The SDK's API reference cannot be read.</exception>
    public void Train(string path, double seconds, CancellationToken cancellation)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        Say($"There is no model at {path} yet; training one on the .NET API reference for {seconds:F0} s, as samples/LanguageModel does for longer.");
        var options = new RunOptions
        {
            Corpus = [],
            Seconds = seconds,
            BaselineSeconds = 0,
            Prompts = [],
            Device = DeviceName.TryParse("cpu")!,
            Seed = Seed,
            Threads = threads,
            CheckpointPath = path,
            Resume = false,
        };
        var text = TextData.Load(ReferencePacks.FindDocumentation(), CorpusTokenizer.Create("o200k_base"), new TokenizeOptions { Threads = threads }, cancellation);
        using var model = Models.CreateAdaptive(Seed, threads);
        using var trainer = new Trainer(model, text.Training, Seed);
        new TrainingLoop(model, trainer, text, options, console).Execute(cancellation);
        Say($"Held-out perplexity {model.Perplexity(text.HeldOut, 2048):F1}; saved as {path}.");
    }

    /// <summary>
    /// Refuses a table whose ids are not the tokenizer's: its tokens would be read as others, or stop every answer that they come up in.
    /// </summary>
    /// <exception cref="InvalidDataException">It has such a token.</exception>
    public static void CheckTokens(TokenTable table, EncodedVocabulary vocabulary)
    {
        for (var slot = 0; slot < table.Count; slot++)
        {
            var id = table.GetId(slot);
            if (id < vocabulary.Count && (vocabulary.GetKind(id) != TokenKind.Ordinary || vocabulary.GetToken(id).SequenceEqual(table.GetToken(slot)))) continue;
            throw new InvalidDataException(FormattableString.Invariant(
                $"The spec's table has '{TokenText.Of(table.GetToken(slot))}' as token {id}, and {vocabulary.Name} {(id < vocabulary.Count ? "another one" : $"has ids from 0 to {vocabulary.Count - 1}")}; the model's body reads tokens of {vocabulary.Name} alone. Give a spec whose table has its ids and no others."));
        }
    }

    /// <summary>A name of the weights, of what decodes with them, and of the vector width, which decides the last bits of sums.</summary>
    public static string FingerprintOf(Model model, ServedHead head = ServedHead.Stored)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var parameter in model.Parameters) hash.AppendData(MemoryMarshal.AsBytes(parameter.Values));
        hash.AppendData([Vector512.IsHardwareAccelerated ? (byte)64 : Vector256.IsHardwareAccelerated ? (byte)32 : (byte)16]);
        if (head != ServedHead.Stored) hash.AppendData([(byte)head]);
        return $"fp_{Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 6))}";
    }

    private void Say(FormattableString line) => console.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
