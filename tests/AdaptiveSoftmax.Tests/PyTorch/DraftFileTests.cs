using System.Text.Json;
using AdaptiveSoftmax.Tests.Checkpoints;
using AdaptiveSoftmax.Tests.Drafts;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.PyTorch;

/// <summary>A draft's files in PyTorch, read as vLLM, EAGLE-3 and SGLang read them.</summary>
public sealed class DraftFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void MapsAndRows_AreWhatTheProgramsExpect()
    {
        var random = new Random(2);
        var table = DraftVocabularyTests.CreateTable(random, 900, pinned: 2);
        var rows = table.Ids.ToArray().Max() + 30;
        HuggingFaceFiles.WriteFile(_folder["model.safetensors"], new CheckpointTensor("lm_head.weight", "F32", [rows, 16], [.. Enumerable.Range(0, rows * 16).Select(_ => (float)(random.NextDouble() - 0.5))]));
        var vocabulary = DraftVocabulary.Create(DraftChoice.Create(table), 250, rows);
        using (var model = WeightsFile.Open(_folder["model.safetensors"]))
            DraftFile.Write(_folder["draft.safetensors"], vocabulary, model, DenseHead.Find(model), cancellationToken: TestContext.Current.CancellationToken);
        DraftFile.WriteTokenMap(_folder["hot.pt"], vocabulary, TestContext.Current.CancellationToken);

        Assert.Contains("torch", Python.Run("draft.py", _folder["draft.safetensors"], _folder["hot.pt"], _folder["model.safetensors"], _folder["ids.json"]), StringComparison.Ordinal);
        Assert.Equal(vocabulary.Tokens.ToArray(), JsonSerializer.Deserialize<int[]>(File.ReadAllText(_folder["ids.json"])));
    }
}
