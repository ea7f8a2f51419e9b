using LanguageModelSample;

namespace AdaptiveSoftmax.Samples.Tests;

public class DraftGainTests
{
    private const int Written = 60;

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void Drafts_GiveTheTokensOfDecodingOneByOne_InFewerSteps(int drafted)
    {
        using var model = TinyModel.Create(seed: 4);
        int[][] prompts = [[1, 2], [7]];
        var own = Array.ConvertAll(prompts, prompt => Continue(model, prompt));

        // What the model writes itself foretells it best; text of another kind does not, and changes nothing but the number of steps.
        var (good, poor) = (Measure([.. own[0], .. own[1]]), Measure(TinyModel.CreateText(500)));
        foreach (var gain in new[] { good, poor })
        {
            Assert.Equal((drafted, 2L * Written, 2 * Written), (gain.Drafted, gain.Statistics.Tokens, gain.Same));
            Assert.InRange(gain.Statistics.TokensPerVerification, 1, drafted + 1);
            Assert.Equal(gain.Statistics.Tokens, gain.Statistics.Verifications + gain.Statistics.Accepted);
        }

        Assert.True(good.Statistics.TokensPerVerification > 1.4, $"{good.Statistics}");
        Assert.True(good.Statistics.TokensPerVerification > poor.Statistics.TokensPerVerification, $"{good.Statistics}, {poor.Statistics}");

        DraftGain Measure(int[] text) => DraftGain.Measure(model, text, prompts, Written, drafted, TestContext.Current.CancellationToken);
    }

    private static List<int> Continue(Model model, int[] prompt)
    {
        List<int> tokens = [.. Enumerable.Repeat(model.EndOfText, model.Window), .. prompt];
        while (tokens.Count < model.Window + prompt.Length + Written) tokens.Add(model.Predict([.. tokens[^model.Window..]]));
        return tokens;
    }
}
