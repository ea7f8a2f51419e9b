using System.Text;
using AdaptiveSoftmax;

namespace Company.Words;

/// <summary>A model of next words: a fixed vector a word, and the softmax that is trained behind it.</summary>
/// <remarks>Put your model's hidden states in the place of <see cref="HiddenOf"/>; sizes follow from the spec.</remarks>
public sealed class NextWord : IDisposable
{
    private readonly WordSoftmax _softmax = WordSoftmax.Create();

    /// <summary>Learns a text, word by word, and gives the mean loss in nats before each of the steps.</summary>
    /// <param name="text">Words of the vocabulary, with white space between.</param>
    /// <param name="steps">How often the text is gone through.</param>
    /// <exception cref="ArgumentException">A word is not in the vocabulary, or there are fewer than two.</exception>
    public IEnumerable<double> Learn(string text, int steps)
    {
        var ids = text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Select(IdOf).ToArray();
        if (ids.Length < 2) throw new ArgumentException("There is no next word in a text of fewer than two.", nameof(text));
        float[] hidden = [.. ids.SkipLast(1).SelectMany(HiddenOf)];   // [tokens, hidden]
        int[] targets = [.. ids.Skip(1)];
        using var optimizer = new Adagrad(learningRate: 0.5);
        for (var step = 0; step < steps; step++)
        {
            var loss = _softmax.Backward(hidden, targets);
            optimizer.Step(_softmax);
            yield return loss;
        }
    }

    /// <summary>The most probable words after a word, and their probabilities.</summary>
    /// <param name="word">A word of the vocabulary.</param>
    /// <param name="count">How many.</param>
    /// <exception cref="ArgumentException">The word is not in the vocabulary.</exception>
    public IReadOnlyList<(string Word, double Probability)> After(string word, int count = 3)
    {
        var (ids, logProbs) = (new int[count], new float[count]);
        _softmax.TopK(HiddenOf(IdOf(word)), ids, logProbs);           // exact, and computes a tail only where it can win
        return [.. ids.Zip(logProbs, (id, logProb) => (TextOf(id), Math.Exp(logProb)))];
    }

    /// <inheritdoc/>
    public void Dispose() => _softmax.Dispose();

    private static int IdOf(string word) => WordSoftmax.Vocabulary.TryGetSlot(word, out var slot)
        ? slot.Id
        : throw new ArgumentException($"The word '{word}' is not in the vocabulary of {WordSoftmax.VocabularySize} words.", nameof(word));

    private static string TextOf(int id) => Encoding.UTF8.GetString(WordSoftmax.Vocabulary.GetToken(WordSoftmax.Vocabulary.GetSlot(id).Slot));

    private static float[] HiddenOf(int id)
    {
        var random = new Random(id);
        return [.. Enumerable.Range(0, WordSoftmax.HiddenSize).Select(_ => (2 * random.NextSingle()) - 1)];
    }
}

/// <summary>The softmax over the words of words.softmax.json.</summary>
[AdaptiveSoftmax("words.softmax.json")]
public sealed partial class WordSoftmax;
