using AdaptiveSoftmax.Extensions.AI;
using AdaptiveSoftmax.Vocabulary;
using Microsoft.Extensions.AI;
using Microsoft.ML.Tokenizers;

namespace AdaptiveSoftmax.Server.Tests;

/// <summary>The 200,019 tokens of o200k_base, with Microsoft.ML.Tokenizers as a user plugs it in.</summary>
public sealed class RealVocabularyTests
{
    private const int VocabularySize = 200_019;

    // Words with and without spaces, characters that tokens cut in two to four parts, joined emoji, a replacement character of its own.
    private const string Text = "Größe 龘 of 𠜎𠜱, 👩‍👩‍👧‍👦 and the 🇨🇭!\n\n\tx\uFFFDy கொ ﷽ end";

    [Fact]
    public async Task TextOfAnyTokens_ComesOutAsItIs()
    {
        var tokenizer = TiktokenTokenizer.CreateForEncoding("o200k_base");
        var tokens = tokenizer.EncodeToIds(Text);
        using var softmax = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(32, VocabularySize, [10_000, 60_000], divValue: 4), seed: 3);
        var mask = softmax.CreateMask();
        var next = 0;
        // The mask leaves the text's next token alone.
        var model = LanguageModel.Create(softmax, (read, hidden) =>
        {
            Assert.Equal([5, .. tokens.Take(next)], read.ToArray());
            var allowed = new ulong[(VocabularySize + 63) / 64];
            allowed[tokens[next] / 64] = 1UL << tokens[next++];
            mask.SetTokens(allowed);
            hidden.Clear();
        });
        using var client = model.AsChatClient(new ChatTokenizer(text => tokenizer.EncodeToIds(text), tokenizer.Decode), new AdaptiveSoftmaxChatClientOptions { EncodePrompt = _ => [5], Decode = new DecodeOptions { Mask = mask } });
        var pieces = new List<string>();
        await foreach (var update in client.GetStreamingResponseAsync("any", new ChatOptions { MaxOutputTokens = tokens.Count }, TestServer.Cancellation))
        {
            if (update.Text.Length > 0) pieces.Add(update.Text);
        }

        Assert.Equal(Text, string.Concat(pieces));
        Assert.Equal(tokens.Count, next);
        Assert.True(pieces.Count > 20, string.Join('|', pieces));
        // Only the character that is one is given out as one.
        Assert.Equal(1, pieces.Sum(piece => piece.Count(character => character == '\uFFFD')));
    }
}
