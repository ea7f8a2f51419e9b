using System.CommandLine;
using System.Globalization;
using AdaptiveSoftmax.Corpus;
using AdaptiveSoftmax.Vocabulary;
using LanguageModelSample;
using Spectre.Console;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary><c>accuracy</c>: what small weights cost the trained sample model.</summary>
internal static class AccuracyCommand
{
    private const ulong Seed = 1;
    private const int Block = 2048;

    private static readonly QuantizationOptions s_bfloat16 = new() { Head = WeightPrecision.BFloat16, Tails = WeightPrecision.BFloat16 };
    private static readonly QuantizationOptions s_int4 = new() { Head = WeightPrecision.Int4, Tails = WeightPrecision.Int4 };
    private static readonly QuantizationOptions s_mixed4 = new() { Head = WeightPrecision.Int8, Tails = WeightPrecision.Int4 };
    private static readonly QuantizationOptions s_mixed = new() { Head = WeightPrecision.BFloat16, Tails = WeightPrecision.Int8 };

    public static Command Create()
    {
        var tokens = new Option<int>("--tokens")
        {
            Description = "How many held-out tokens are scored.",
            DefaultValueFactory = _ => 4 * Block,
        };
        tokens.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() < 1) result.AddError("--tokens must be at least 1.");
        });
        var command = new Command("accuracy", "Perplexity, agreement with float32 and bytes of the trained sample model in each precision.") { tokens };
        command.SetAction((result, cancellation) => Task.FromResult(Run(result.GetValue(tokens), cancellation)));
        return command;
    }

    private static int Run(int tokens, CancellationToken cancellation)
    {
        if (System.Console.IsOutputRedirected) AnsiConsole.Profile.Width = 160;
        try
        {
            Run(new ComparisonSession(AnsiConsole.Console, rounds: 1, cancellation), tokens);
            return 0;
        }
        catch (OperationCanceledException)
        {
            System.Console.Error.WriteLine("Stopped.");
            return 130;
        }
        catch (CorpusException problem)
        {
            System.Console.Error.WriteLine(problem.Message);
            return 1;
        }
    }

    private static void Run(ComparisonSession session, int tokens)
    {
        using var model = Models.CreateAdaptive(Seed, Environment.ProcessorCount);
        var text = TrainedSample.Prepare(model, Seed, session);
        var (hidden, targets) = Forward(model, text.HeldOut, tokens);
        var float32 = model.Softmax;
        var expected = Predict(float32, hidden, targets.Length);
        var bytes = float32.Parameters.Sum(parameter => parameter.Count * sizeof(float));
        var groups = new AccuracyGroups(float32, hidden, targets);
        var table = new Table().Border(TableBorder.Markdown).AddColumn("weights")
            .AddColumn(new TableColumn("perplexity").RightAligned())
            .AddColumn(new TableColumn("same best token").RightAligned())
            .AddColumn(new TableColumn("MB").RightAligned());
        void Add(string name, SoftmaxDecoder decoder, long size)
        {
            session.Cancellation.ThrowIfCancellationRequested();
            var predictions = Predict(decoder, hidden, targets.Length);
            var same = predictions.Zip(expected).Count(pair => pair.First == pair.Second);
            table.AddRow(
                name, decoder.Perplexity(hidden, targets).ToString("F3", CultureInfo.InvariantCulture),
                string.Create(CultureInfo.InvariantCulture, $"{100.0 * same / targets.Length:F2} %"), (size / 1e6).ToString("F1", CultureInfo.InvariantCulture));
            if (decoder is not CertifiedSoftmax) groups.Add(name, decoder, session.Cancellation);
        }

        Add("float32", float32, bytes);
        foreach (var (name, options) in new[] { ("bfloat16", s_bfloat16), ("bfloat16 head, int8 tails", s_mixed), ("int8", QuantizationOptions.Default), ("int8 head, int4 tails", s_mixed4), ("int4", s_int4) })
        {
            using var quantized = float32.Quantize(options);
            Add(name, quantized, quantized.WeightBytes);
        }

        using var certified = float32.Certify();
        Add("certified", certified, bytes + certified.ScreeningBytes);
        session.Note($"{targets.Length:N0} held-out tokens, decoded one by one");
        session.Console.Write(table);
        session.Note($"{certified.Statistics}");
        groups.Write(session.Console);
    }

    private static (float[] Hidden, int[] Targets) Forward(Model model, int[] text, int tokens)
    {
        var positions = TextData.SpreadPositions(text, tokens);
        var (hidden, targets) = (new List<float>(), new List<int>());
        foreach (var block in positions.Chunk(Block))
        {
            var batch = new Batch(block.Length, model.Window);
            batch.Fill(text, block, model.EndOfText);
            hidden.AddRange(model.Forward(batch.Windows));
            targets.AddRange(batch.Targets);
        }

        return ([.. hidden], [.. targets]);
    }

    // One by one, as a decoder at batch 1 does, which is what certified decoding is made for.
    private static int[] Predict(SoftmaxDecoder decoder, float[] hidden, int tokens)
    {
        var size = decoder.Layout.HiddenSize;
        return [.. Enumerable.Range(0, tokens).Select(i => decoder.Predict(hidden.AsSpan(i * size, size)))];
    }
}
