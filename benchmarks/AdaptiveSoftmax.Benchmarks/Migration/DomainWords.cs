using System.Text;
using System.Text.RegularExpressions;
using AdaptiveSoftmax.Corpus;
using AdaptiveSoftmax.Vocabulary;
using LanguageModelSample;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>Words of another language that a vocabulary has no token of its own for, and where they stand in texts.</summary>
/// <param name="Table">The words with their counts, under ids behind the vocabulary's.</param>
/// <param name="Places">For each word in a text, whether the text is held out, the tokens before the word, and the word's id.</param>
internal sealed partial record DomainWords(TokenTable Table, IReadOnlyList<(bool IsHeldOut, int[] Before, int Word)> Places)
{
    private const int MostWords = 5_000;
    private const int HeldOutShare = 8;
    private const int TokensPerBatch = 256;

    public static DomainWords Count(TokenTable vocabulary, ComparisonSession session)
    {
        var tokenizer = CorpusTokenizer.Create("o200k_base");
        var known = Enumerable.Range(0, vocabulary.Count).Select(slot => Encoding.UTF8.GetString(vocabulary.GetToken(slot))).ToHashSet();
        var texts = OtherLanguage.Texts(OtherLanguage.German, session);
        var counts = texts.SelectMany(text => Word().Matches(text)).Select(match => match.Value).Where(word => !known.Contains(word)).CountBy(word => word);
        var words = counts.OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key, StringComparer.Ordinal).Take(MostWords).ToArray();
        var first = 1 + Enumerable.Range(0, vocabulary.Count).Max(vocabulary.GetId);
        var ids = words.Select((pair, i) => (pair.Key, Id: first + i)).ToDictionary(pair => pair.Key, pair => pair.Id);
        var places = new List<(bool, int[], int)>();
        for (var i = 0; i < texts.Count; i++)
        {
            var (before, end) = (new List<int>(), 0);
            foreach (Match match in Word().Matches(texts[i]))
            {
                before.AddRange(tokenizer.Encode(texts[i][end..match.Index], session.Cancellation));
                if (ids.TryGetValue(match.Value, out var id)) places.Add((i % HeldOutShare == 0, [.. before], id));
                before.AddRange(tokenizer.Encode(match.Value, session.Cancellation));
                end = match.Index + match.Length;
            }
        }

        session.Note($"{words.Length:N0} words of the SDK's messages in German without a token of their own, {places.Count:N0} times");
        return new DomainWords(TokenTable.Create([.. words.Select(pair => ids[pair.Key])], [.. words.Select(pair => (long)pair.Value)], [.. words.Select(pair => Encoding.UTF8.GetBytes(pair.Key))]), places);
    }

    /// <summary>Writes what a model's softmax sees before them.</summary>
    public void WriteStates(LanguageModel model, string path, bool isHeldOut, CancellationToken cancellation) =>
        StatesWriter.Write(path, model.Layout.HiddenSize, writer =>
        {
            foreach (var part in Places.Where(place => place.IsHeldOut == isHeldOut).Chunk(TokensPerBatch))
            {
                var windows = new int[part.Length * model.Window];
                Array.Fill(windows, model.EndOfText);
                for (var i = 0; i < part.Length; i++)
                {
                    var before = part[i].Before;
                    var length = Math.Min(before.Length, model.Window);
                    before.AsSpan(before.Length - length).CopyTo(windows.AsSpan(((i + 1) * model.Window) - length));
                }

                var hidden = new float[part.Length * model.Layout.HiddenSize];
                model.CopyHidden(windows, hidden);
                writer.Add(hidden, [.. part.Select(place => place.Word)]);
            }
        }, cancellationToken: cancellation);

    [GeneratedRegex(@" \p{L}{2,}")]
    private static partial Regex Word();
}
