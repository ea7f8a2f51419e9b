using System.Text;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Tests;

/// <summary>What cannot be taken is an error with its file and what to do, and nothing that was there is lost.</summary>
public sealed class BadInputTests : IDisposable
{
    private const string Weights = "is asked for here|not a file of weights|no file of weights|safetensors file";

    private readonly ToolRun _run = new();
    private readonly EvaluationFiles _files;

    public BadInputTests()
    {
        _files = new EvaluationFiles(_run);
        _files.WriteSpec("other", [30]);
        WriteTable("apart", Enumerable.Range(0, 90).Select(id => (id, 100L - id, $"q{id}")));
        _run.Write("apart.softmax.json", """{ "hiddenSize": 16, "vocabulary": "apart.tokens", "cutoffs": [20, 50], "divValue": 2 }""");
        var table = _files.Definition.Table;
        WriteTable("seen", Enumerable.Range(0, 80).Select(slot => (table.GetId(slot), 1000L + slot, $"w{slot}")).OrderByDescending(row => row.Item2));

        var random = new Random(8);
        var binary = new byte[3000];
        random.NextBytes(binary);
        binary[0] = 0xb3;
        File.WriteAllBytes(_run.Path("binary"), binary);
        File.WriteAllBytes(_run.Path("utf8"), [.. "0\t5\ta"u8, 0xff, 0xfe, .. "b\n1\t4\tc\n"u8]);
        File.WriteAllBytes(_run.Path("utf8.softmax.json"), [.. "{ \"hiddenSize\": 16, \"vocabulary\": \""u8, 0xff, .. ".tokens\", \"cutoffs\": [20] }"u8]);
        _run.Write("lfs", $"version https://git-lfs.github.com/spec/v1\noid sha256:{new string('a', 64)}\nsize 123456\n");
        _run.Write("html", "<!doctype html><html><body>Not found</body></html>\n");

        _files.WriteStates("narrow", 8, new float[16], [1000, 998]);
        _files.WriteStates("strange", EvaluationFiles.HiddenSize, new float[2 * EvaluationFiles.HiddenSize], [1000, 999]);
        var nan = File.ReadAllBytes(_files.States1);
        BitConverter.GetBytes(float.NaN).CopyTo(nan, 8 + (int)BitConverter.ToUInt64(nan));
        File.WriteAllBytes(_run.Path("nan"), nan);
        Directory.CreateDirectory(_run.Path("folder"));
        using var dense = new Parameter("lm_head.weight", 64, EvaluationFiles.HiddenSize);
        SafetensorsWriter.Write(_run.Path("dense.safetensors"), [dense]);
        _run.Write("full.softmax.json", """{ "hiddenSize": 16, "vocabulary": "news.tokens", "softmax": "full" }""");
    }

    public void Dispose() => _run.Dispose();

    /// <summary>The command line, where @NAME is a file; what the error names; and the remedy, one of several wordings.</summary>
    public static TheoryData<string, string, string> Rows
    {
        get
        {
            const string Migrate = "migrate @news.safetensors --from @news.softmax.json --to @other.softmax.json --output @new.safetensors";
            const string Evaluate = "evaluate @states.safetensors --weights @news.safetensors --spec @news.softmax.json";
            var rows = new TheoryData<string, string, string>();
            // Each kind of wrong file in each place where a file is read.
            foreach (var (bad, known) in new[] { ("binary", "binary"), ("utf8", "utf8"), ("lfs", "git lfs pull"), ("html", "a web page") })
            {
                rows.Add($"plan @{bad} -H 16 --output @n.softmax.json", bad, "adaptive-softmax count");
                rows.Add($"plan @news.tokens -H 16 --machine @{bad} --output @n.softmax.json", bad, "give another file");
                rows.Add($"plan @news.tokens -H 16 --domains @{bad} --output @n.softmax.json", bad, "count --domain");
                rows.Add($"plan @news.tokens -H 16 --keep @{bad} --output @n.softmax.json", bad, "adaptive-softmax plan");
                rows.Add($"evaluate @{bad} --weights @news.safetensors --spec @news.softmax.json --report @n.html", bad, Weights);
                rows.Add($"evaluate @states.safetensors --weights @{bad} --spec @news.softmax.json --report @n.html", bad, Weights);
                rows.Add($"evaluate @states.safetensors --weights @news.safetensors --spec @{bad} --report @n.html", bad, "adaptive-softmax plan");
                rows.Add($"drift @{bad} --observed @seen.tokens --report @n.html", bad, "adaptive-softmax count");
                rows.Add($"drift @news.tokens --observed @seen.tokens --spec @{bad} --replan @n.softmax.json", bad, "adaptive-softmax plan");
                // A web page is text, and counted with a note.
                if (bad != "html") rows.Add($"drift @news.tokens --observed @{bad} --report @n.html", bad, "Convert it to UTF-8|adaptive-softmax count|git lfs pull");
                rows.Add($"migrate @{bad} --from @news.softmax.json --to @other.softmax.json --output @new.safetensors", bad, Weights);
                rows.Add($"migrate @news.safetensors --from @{bad} --to @other.softmax.json --output @new.safetensors", bad, "adaptive-softmax plan");
                rows.Add($"migrate @news.safetensors --from @news.softmax.json --to @{bad} --output @new.safetensors", bad, "adaptive-softmax plan");
                rows.Add($"{Migrate} --states @{bad}", bad, Weights);
                rows.Add($"{Migrate} --states @states.safetensors --judge @{bad}", bad, Weights);
                rows.Add($"adopt @{bad} --to @news.softmax.json --output @new.safetensors", bad, Weights);
                if (bad is "lfs" or "html") rows.Add($"plan @{bad} -H 16", known, "adaptive-softmax count");
            }

            rows.Add("evaluate @states.safetensors --weights @news.safetensors --spec @utf8.softmax.json --report @n.html", "utf8.softmax.json(1,", ".tokens");
            // States of another model.
            foreach (var (bad, found, remedy) in new[] { ("narrow", "8 values", "very softmax"), ("strange", "Row 1 has the target 999", "ignore_index"), ("nan", "Row 0 holds NaN", "leave such rows out") })
            {
                rows.Add($"evaluate @{bad} --weights @news.safetensors --spec @news.softmax.json --report @n.html", found, remedy);
                rows.Add($"{Migrate} --states @{bad}", found, remedy);
                rows.Add($"{Migrate} --states @states.safetensors --judge @{bad}", found, remedy);
            }

            // Files that do not fit each other.
            rows.Add("evaluate @states.safetensors --weights @news.safetensors --spec @other.softmax.json --report @n.html", "news.safetensors does not fit", "Give the spec that the weights were trained with");
            rows.Add("migrate @news.safetensors --from @other.softmax.json --to @news.softmax.json --output @new.safetensors", "news.safetensors", "Give the spec and token table that the weights were trained with");
            rows.Add("migrate @news.safetensors --from @news.softmax.json --to @apart.softmax.json --output @new.safetensors", "no token in common", "same tokenizer");
            // Another tokenizer, with the very sizes of the one that the weights were trained with, and a model with fewer rows than it has ids.
            rows.Add("evaluate @states.safetensors --weights @news.safetensors --spec @apart.softmax.json --report @n.html", "vocabulary", "Give the spec that the weights were trained with");
            rows.Add("extend @news.safetensors --from @apart.softmax.json --domain @news.tokens --width 2 --spec-output @n.softmax.json --output @new.safetensors", "vocabulary", "Give the spec and token table that the weights were trained with");
            rows.Add("adopt @dense.safetensors --to @news.softmax.json --output @new.safetensors", "the head has 64 rows", "same tokenizer");
            rows.Add("evaluate @states.safetensors --weights @dense.safetensors --spec @full.softmax.json", "has 64 rows, which are token ids", "this model's tokenizer");
            rows.Add("plan @news.tokens -H 16 --keep @apart.softmax.json --output @n.softmax.json", "no token in common", "same tokenizer");
            rows.Add("drift @apart.tokens --observed @seen.tokens --spec @news.softmax.json --replan @n.softmax.json", "apart.tokens", "the table that the spec names");
            // What cannot be written.
            foreach (var (path, found, remedy) in new[] { ("no/n", "does not exist", "create it or give"), ("folder", "is a folder", "the name of a file") })
            {
                rows.Add($"plan @news.tokens -H 16 --output @{path}", found, remedy);
                rows.Add($"plan @news.tokens -H 16 --output @n.softmax.json --report @{path}", found, remedy);
                rows.Add($"{Evaluate} --report @{path}", found, remedy);
                rows.Add($"drift @news.tokens --observed @seen.tokens --spec @news.softmax.json --replan @{path}", found, remedy);
                rows.Add($"drift @news.tokens --observed @seen.tokens --spec @news.softmax.json --replan @n.softmax.json --report @{path}", found, remedy);
                rows.Add($"{Migrate.Replace("@new.safetensors", $"@{path}", StringComparison.Ordinal)}", found, remedy);
                rows.Add($"{Migrate} --report @{path}", found, remedy);
            }

            return rows;
        }
    }

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task IsAnErrorWithFileAndRemedy_AndNothingIsLost(string line, string found, string remedies)
    {
        var before = _run.Files.ToDictionary(file => file, file => Convert.ToBase64String(File.ReadAllBytes(_run.Path(file))));
        Assert.Equal(1, await _run.RunAsync([.. line.Split(' ').Select(word => word.StartsWith('@') ? _run.Path(word[1..]) : word)]));
        Assert.Single(_run.Error.Split('\n'), text => text.StartsWith("error: ", StringComparison.Ordinal));
        Assert.Contains(found, _run.Error, StringComparison.Ordinal);
        Assert.True(remedies.Split('|').Any(remedy => _run.Error.Contains(remedy, StringComparison.Ordinal)), _run.Error);
        Assert.Empty(_run.Output);
        Assert.Equal(before, _run.Files.ToDictionary(file => file, file => Convert.ToBase64String(File.ReadAllBytes(_run.Path(file)))));
    }

    private void WriteTable(string name, IEnumerable<(int Id, long Count, string Token)> rows)
    {
        var all = rows.ToArray();
        using var writer = new StreamWriter(_run.Path($"{name}.tokens"));
        TokenTableWriter.Write(writer, TokenTable.Create([.. all.Select(row => row.Id)], [.. all.Select(row => row.Count)], [.. all.Select(row => Encoding.ASCII.GetBytes(row.Token))]), TestContext.Current.CancellationToken);
    }
}
