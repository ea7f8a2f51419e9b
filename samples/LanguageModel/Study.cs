using System.Globalization;
using System.Text.Json;
using AdaptiveSoftmax.Corpus;
using Spectre.Console;

namespace LanguageModelSample;

/// <summary>
/// Adaptive against full softmax, both trained to the end of the same schedule: the same vocabulary, body, text and order of
/// the text. Each has its best learning rate of one grid, chosen with the first seed by held-out text that then judges nothing.
/// </summary>
internal sealed class Study(StudyOptions study, RunOptions options, IAnsiConsole console)
{
    private static readonly JsonSerializerOptions s_json = new() { NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals };

    public void Execute(CancellationToken cancellation)
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(study.ResultsPath))!;
        Directory.CreateDirectory(folder);
        var text = StudyText.Create(CorpusText.Load(options, CorpusTokenizer.Create("o200k_base"), console, cancellation), EncodedVocabulary.O200kBase.EndOfTextId);
        var variants = StudyVariant.Create(text, ApiDocsSoftmax.HiddenSize);
        var cutoffs = variants[^1].Layout.Tails.Select(tail => tail.Start).ToArray();
        console.Say($"A vocabulary of {text.Counts.Length:N0} tokens by their own count; shortlist {cutoffs[0]:N0}, tails from {string.Join(" and ", cutoffs.Select(cutoff => cutoff.ToString("N0", CultureInfo.InvariantCulture)))}.");
        console.Say($"{study.Key}; {study.Seeds} seeds; peak rates {string.Join(", ", study.Rates.Select(rate => rate.ToString(CultureInfo.InvariantCulture)))}.");

        var key = FormattableString.Invariant($"{study.Key}, {text.Training.Length} tokens of {text.Counts.Length}");
        var done = ReadResults(key);
        var run = new StudyRun(text, new StudyJudge(text.Counts, cutoffs), study, options.Threads);
        foreach (var variant in variants)
        {
            foreach (var rate in study.Rates) RunOnce(variant, rate, seed: 1);
        }

        for (var seed = 2; seed <= study.Seeds; seed++)
        {
            foreach (var variant in variants) RunOnce(variant, StudyTable.BestRate(done, variant.Name), seed);
        }

        StudyTable.Write(console, variants, done);

        void RunOnce(StudyVariant variant, double rate, int seed)
        {
            if (done.Any(figures => figures.Variant == variant.Name && figures.Rate == rate && figures.Seed == seed)) return;
            var said = 0;
            var figures = run.Execute(variant, rate, seed, key, Progress, cancellation);
            done.Add(figures);
            File.AppendAllText(study.ResultsPath, JsonSerializer.Serialize(figures, s_json) + "\n");
            console.Say($"{variant.Name}, rate {rate}, seed {seed}: perplexity {figures.Perplexity:F2} ({figures.ValidationPerplexity:F2} to choose by), {figures.Seconds:F0} s.");

            void Progress(double share)
            {
                if ((int)(share * 4) == said || share >= 1) return;
                said = (int)(share * 4);
                console.Say($"  {variant.Name}, rate {rate}, seed {seed}: {share:P0}");
            }
        }
    }

    // Lines of other sizes stay in the file and count for nothing here; a line that was cut off is one less.
    private List<StudyFigures> ReadResults(string key)
    {
        var results = new List<StudyFigures>();
        if (!File.Exists(study.ResultsPath)) return results;
        foreach (var line in File.ReadLines(study.ResultsPath))
        {
            try
            {
                if (JsonSerializer.Deserialize<StudyFigures>(line, s_json) is { } figures && figures.Key == key) results.Add(figures);
            }
            catch (JsonException)
            {
                console.Say($"A line of {study.ResultsPath} is no result of a study, and is passed over.");
            }
        }

        return results;
    }
}
