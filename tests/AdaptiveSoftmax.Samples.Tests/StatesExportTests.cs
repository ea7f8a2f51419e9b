using LanguageModelSample;

namespace AdaptiveSoftmax.Samples.Tests;

/// <summary>The sample's states files.</summary>
public sealed class StatesExportTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("adaptive-softmax-sample-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void StatesAndTargets_GiveTheModelsOwnPerplexity()
    {
        using var model = TinyModel.Create(seed: 4);
        var (text, path) = (TinyModel.CreateText(1000), Path.Combine(_folder, "states.safetensors"));
        Assert.Equal(700, StatesExport.Write(model, text, path, 700, TestContext.Current.CancellationToken));
        using var states = StatesFile.Open(path);
        states.Require(model.Softmax);
        var loss = states.ReadBlocks(rows: 100).Sum(block => (double)model.Softmax.Loss(block.Hidden, block.Targets) * block.Count);
        Assert.Equal(model.Perplexity(text, 700), Math.Exp(loss / states.Count), tolerance: 1e-4);
    }

    [Fact]
    public void ShortText_GivesEachOfItsStatesOnce()
    {
        using var model = TinyModel.Create(seed: 4);
        var path = Path.Combine(_folder, "states.safetensors");
        Assert.Equal(30, StatesExport.Write(model, TinyModel.CreateText(30), path, 700, TestContext.Current.CancellationToken));
        using var states = StatesFile.Open(path);
        Assert.Equal(TinyModel.CreateText(30), states.ReadBlocks().Single().Targets);
    }
}
