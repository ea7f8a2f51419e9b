using System.Buffers;
using System.Text;
using AdaptiveSoftmax;
using AdaptiveSoftmax.Corpus;

namespace ServerSample;

/// <summary>A prompt on its way into the answer, as <c>echo</c> asks for: its text, and its tokens' log-probs where they are wanted.</summary>
/// <param name="model">The model.</param>
/// <param name="prompt">The prompt's tokens.</param>
/// <param name="wantsLogProbs">Whether log-probs are reported.</param>
internal sealed class PromptEcho(ServedModel model, int[] prompt, bool wantsLogProbs)
{
    private const int MostCutBytes = 3;

    private readonly EncodedVocabulary _vocabulary = model.Tokenizer.Vocabulary;
    private readonly TextAssembler _text = new([]);
    private int _next;

    /// <summary>Whether all of it was given out.</summary>
    public bool IsDone => _next == prompt.Length;

    /// <summary>The characters (Unicode code points) that were given out.</summary>
    public int Characters => _text.Released;

    /// <summary>The bytes of the character that the prompt's end cuts off; none where it ends with a whole one.</summary>
    public ReadOnlySpan<byte> CutCharacter()
    {
        var bytes = new List<byte>();
        for (var i = prompt.Length - 1; i >= 0 && bytes.Count < MostCutBytes; i--) bytes.InsertRange(0, _vocabulary.GetToken(prompt[i]));
        var end = bytes.ToArray().AsSpan();
        for (var length = Math.Min(MostCutBytes, end.Length); length > 0; length--)
        {
            if (Rune.DecodeFromUtf8(end[^length..], out _, out _) == OperationStatus.NeedMoreData) return end[^length..];
        }

        return [];
    }

    /// <summary>The next tokens whose log-probs are to be computed, and the windows before them.</summary>
    /// <param name="windows">Receives the windows, [tokens, window].</param>
    /// <param name="most">The most tokens.</param>
    /// <returns>The tokens: none where nothing is to be computed, since log-probs are not wanted or nothing stands before the only token.</returns>
    public ReadOnlySpan<int> Next(Span<int> windows, int most)
    {
        if (!wantsLogProbs) return [];
        // As in OpenAI's interface the first token has no log-prob.
        var first = Math.Max(1, _next);
        var count = Math.Clamp(prompt.Length - first, 0, most);
        var size = model.Model.Window;
        for (var i = 0; i < count; i++)
        {
            var before = prompt.AsSpan(Math.Max(0, first + i - size), Math.Min(size, first + i));
            var window = windows.Slice(i * size, size);
            window[..(size - before.Length)].Fill(model.Model.EndOfText);
            before.CopyTo(window[(size - before.Length)..]);
        }

        return count == 0 ? [] : prompt.AsSpan(first, count);
    }

    /// <summary>Takes what was computed for them.</summary>
    /// <param name="logProbs">The log-prob of each.</param>
    /// <param name="top">The most probable tokens in the place of each.</param>
    /// <param name="reports">Receives what is reported of the tokens.</param>
    /// <returns>The text of the tokens.</returns>
    public string Take(ReadOnlySpan<float> logProbs, IReadOnlyList<TokenLogProb[]> top, List<TokenReport> reports)
    {
        var end = wantsLogProbs ? Math.Min(prompt.Length, Math.Max(1, _next) + logProbs.Length) : prompt.Length;
        var first = end - logProbs.Length;
        var text = "";
        for (; _next < end; _next++)
        {
            if (wantsLogProbs) reports.Add(_next < first ? new TokenReport(prompt[_next], null, [], _text.Decoded) : new TokenReport(prompt[_next], logProbs[_next - first], top[_next - first], _text.Decoded));
            // Special tokens have the text by which a prompt names them.
            text += _text.Add(_vocabulary.GetToken(prompt[_next]));
        }

        return text;
    }
}
