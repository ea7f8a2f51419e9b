using AdaptiveSoftmax;
using Spectre.Console;

namespace LanguageModelSample;

/// <summary>
/// What drafts save a greedy continuation: the tokens that followed the last two somewhere in the training text are drafted, and the
/// model verifies all of them in one step.
/// </summary>
/// <param name="Drafted">The tokens that are drafted at a time, at most.</param>
/// <param name="Statistics">What came of it.</param>
/// <param name="Same">How many tokens, from the first on, are those of decoding one by one.</param>
internal sealed record DraftGain(int Drafted, SpeculativeStatistics Statistics, int Same)
{
    /// <summary>Continues texts with drafts and without.</summary>
    /// <param name="model">The trained model.</param>
    /// <param name="training">The text in which drafts are looked up.</param>
    /// <param name="prompts">What to continue.</param>
    /// <param name="count">The tokens to write for each.</param>
    /// <param name="drafted">The tokens that are drafted at a time, at most.</param>
    /// <param name="cancellation">Stops between two tokens.</param>
    public static DraftGain Measure(Model model, int[] training, IReadOnlyList<int[]> prompts, int count, int drafted, CancellationToken cancellation)
    {
        var followers = new Dictionary<(int, int), int>();
        for (var i = 2; i < training.Length; i++) followers[(training[i - 2], training[i - 1])] = training[i];
        using var speculation = new SpeculativeDecoding(model.Softmax);
        var same = 0;
        foreach (var prompt in prompts)
        {
            int[] start = [.. Enumerable.Repeat(model.EndOfText, model.Window), .. prompt];
            var plain = Write(model, speculation, start, count, 0, [], cancellation);
            same += Write(model, speculation, start, count, drafted, followers, cancellation).Zip(plain).TakeWhile(pair => pair.First == pair.Second).Count();
        }

        // Those without drafts are one token a verification.
        var (all, alone) = (speculation.Statistics, prompts.Count * count);
        return new DraftGain(drafted, all with { Verifications = all.Verifications - alone, Tokens = all.Tokens - alone }, same);
    }

    /// <summary>Says it.</summary>
    public void Write(IAnsiConsole console) =>
        console.Say($"With {Drafted} tokens drafted at a time, which followed the last two in the training text: {Statistics.TokensPerVerification:F2} tokens a verification, {Statistics.AcceptanceRate * 100:F0} % of the drafted ones accepted; {Same:N0} of {Statistics.Tokens:N0} tokens are those of decoding one by one.");

    private static List<int> Write(Model model, SpeculativeDecoding speculation, int[] start, int count, int drafted, Dictionary<(int, int), int> followers, CancellationToken cancellation)
    {
        var sequence = new DecodeSequence(model.Softmax, DecodeOptions.Greedy, seed: 0);
        List<int> text = [.. start];
        while (text.Count < start.Length + count)
        {
            cancellation.ThrowIfCancellationRequested();
            List<int> ahead = [.. text];
            var most = Math.Min(drafted, start.Length + count - text.Count - 1);
            while (speculation.Draft.Count < most && followers.TryGetValue((ahead[^2], ahead[^1]), out var next))
            {
                speculation.Draft.Add(next);
                ahead.Add(next);
            }

            // One pass of the model: after the text, and after each drafted token.
            int[] windows = [.. Enumerable.Range(text.Count, speculation.Draft.Count + 1).SelectMany(end => ahead.GetRange(end - model.Window, model.Window))];
            var results = new DecodedToken[speculation.Draft.Count + 1];
            var accepted = speculation.Verify(model.Forward(windows), sequence, results);
            text.AddRange(results[..accepted].Select(result => result.Token));
        }

        return text[start.Length..];
    }
}
