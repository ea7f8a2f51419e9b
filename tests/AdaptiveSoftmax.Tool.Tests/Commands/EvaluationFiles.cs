using System.Globalization;
using System.Text;
using AdaptiveSoftmax.Tests;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Tests;

/// <summary>A spec with its table, weights and states in a folder.</summary>
internal sealed class EvaluationFiles
{
    public const int HiddenSize = 16, Tokens = 90, States = 300;

    private readonly ToolRun _run;

    public EvaluationFiles(ToolRun run)
    {
        _run = run;
        Definition = WriteSpec("news", [20, 50]);
        var random = new Random(3);
        Hidden = [.. Enumerable.Range(0, States * HiddenSize).Select(_ => (float)((random.NextDouble() * 6) - 3))];
        Slots = [.. Enumerable.Range(0, States).Select(_ => (int)(Tokens * Math.Pow(random.NextDouble(), 2)))];
        WriteStates("states.safetensors", HiddenSize, Hidden, [.. Slots.Select(Definition.Table.GetId)]);
        Layer = WriteWeights("news.safetensors", Definition, seed: 7);
    }

    public SoftmaxDefinition Definition { get; }

    /// <summary>The layer's weights as they are in the file.</summary>
    public ReferenceSoftmax Layer { get; }

    public float[] Hidden { get; }

    public int[] Slots { get; }

    public string States1 => _run.Path("states.safetensors");

    public string Weights => _run.Path("news.safetensors");

    public string Spec => _run.Path("news.softmax.json");

    public double[] HiddenOf(int row) => [.. Hidden.AsSpan(row * HiddenSize, HiddenSize).ToArray().Select(value => (double)value)];

    public SoftmaxDefinition WriteSpec(string name, int[] cutoffs)
    {
        var table = TokenTable.Create(
            [.. Enumerable.Range(0, Tokens).Select(slot => 1000 - (2 * slot))],
            [.. Enumerable.Range(0, Tokens).Select(slot => slot < 80 ? 5000L / (slot + 1) : 0)],
            [.. Enumerable.Range(0, Tokens).Select(slot => Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"w{slot}")))]);
        using (var writer = new StreamWriter(_run.Path($"{name}.tokens"))) TokenTableWriter.Write(writer, table);
        var spec = _run.Write($"{name}.softmax.json", $$"""{ "hiddenSize": {{HiddenSize}}, "vocabulary": "{{name}}.tokens", "cutoffs": [{{string.Join(", ", cutoffs)}}], "divValue": 2 }""");
        return AdaptiveSoftmax.Tool.Files.SpecFile.Read(spec, TestContext.Current.CancellationToken);
    }

    public ReferenceSoftmax WriteWeights(string file, SoftmaxDefinition definition, ulong seed, string prefix = "")
    {
        using var layer = new DynamicAdaptiveSoftmax(definition, seed);
        layer.Save(_run.Path(file), prefix);
        return new ReferenceSoftmax(layer);
    }

    public string WriteStates(string file, int hiddenSize, float[] hidden, int[] targets)
    {
        var options = new StatesWriterOptions { Domains = ["news", "<b>code</b>"] };
        StatesWriter.Write(_run.Path(file), hiddenSize, writer => writer.Add(hidden, targets, [.. targets.Select((_, row) => row % 4 == 0 ? 1 : 0)]), options);
        return _run.Path(file);
    }
}
