using System.Text;

namespace AdaptiveSoftmax.Distributed.Tests;

/// <summary>Decodes sequences of which each rank has some, or none.</summary>
internal static class DecodingProgram
{
    private const int Hidden = VocabularyProgram.Hidden;

    /// <summary>What all sequences come to, in their order.</summary>
    public static string Run(Collectives collectives)
    {
        using var softmax = VocabularyProgram.Create(collectives);
        var (first, end) = VocabularyProgram.OwnTokens(collectives, 21);
        string own;
        using (softmax.DecodeGathered()) own = Decode(softmax, first, end);
        return Encoding.UTF8.GetString(collectives.AllGatherUneven<byte>(Encoding.UTF8.GetBytes(own), out _));
    }

    /// <summary>Everything that a decoder answers for some of the sequences, by calls whose bits do not depend on how many these are.</summary>
    public static string Decode(SoftmaxDecoder softmax, int first, int end)
    {
        var text = new StringBuilder();
        for (var sequence = first; sequence < end; sequence++) text.Append(Alone(softmax, sequence)).Append('\n');
        text.Append(Together(softmax, first, end));
        return text.ToString();
    }

    /// <summary>The hidden vectors of some sequences at a step.</summary>
    public static float[] Vectors(int step, int first, int end)
    {
        var all = VocabularyProgram.Batch(step * 5).Hidden;
        return all[(first * Hidden)..(end * Hidden)];
    }

    // Vector by vector, for a number of steps that each sequence has of its own.
    private static string Alone(SoftmaxDecoder softmax, int number)
    {
        var text = new StringBuilder();
        var sequence = new DecodeSequence(softmax, new DecodeOptions { Temperature = 0.5f + (number % 3), RepetitionPenalty = 1.2f, Mask = softmax.CreateDenyMask([number, 150 + number]) }, (ulong)number);
        using var session = softmax.CreateSession();
        for (var step = 0; step < number % 4; step++)
        {
            var vector = Vectors(step, number, number + 1);
            var (logProbs, top, topLogProbs) = (new float[1300], new int[9], new float[9]);
            softmax.LogProb(vector, logProbs);
            softmax.TopK(vector, top, topLogProbs);
            text.Append(VocabularyProgram.Digest<float>(logProbs)).Append(' ').AppendJoin(',', top).Append(' ').Append(VocabularyProgram.Digest<float>(topLogProbs)).Append(' ');
            text.Append(softmax.Predict(vector)).Append(' ').Append(softmax.LogProbOf(vector, 1299)).Append(' ').Append(session.Sample(vector, sequence)).Append(' ');
        }

        return text.ToString();
    }

    // All in one call, whose rows have the same bits however many there are.
    private static string Together(SoftmaxDecoder softmax, int first, int end)
    {
        var rows = end - first;
        var text = new StringBuilder();
        using var session = softmax.CreateSession();
        DecodeSequence[] sequences = [.. Enumerable.Range(first, rows).Select(number => new DecodeSequence(softmax, new DecodeOptions { Temperature = 0.7f, TopP = number % 2 == 0 ? 1 : 0.9f }, (ulong)number))];
        var (drawn, tokens, logProbs, found, scores) = (new List<string>[rows], new int[rows * 5], new float[rows * 5], new TopKResult[rows], new float[rows]);
        for (var row = 0; row < rows; row++) drawn[row] = [];
        for (var step = 0; step < 3; step++)
        {
            var results = new DecodedToken[rows];
            session.Sample(Vectors(step, first, end), sequences, results);
            for (var row = 0; row < rows; row++) drawn[row].Add(results[row].ToString());
        }

        session.TopK(Vectors(1, first, end), tokens, logProbs, found);
        softmax.LogProbOf(Vectors(2, first, end), [.. Enumerable.Range(first, rows).Select(number => number * 60)], scores);
        for (var row = 0; row < rows; row++)
            text.AppendJoin(' ', drawn[row]).Append(' ').AppendJoin(',', tokens[(row * 5)..((row + 1) * 5)]).Append(' ').Append(VocabularyProgram.Digest<float>(logProbs.AsSpan(row * 5, 5))).Append(' ').Append(found[row]).Append(' ').Append(scores[row]).Append('\n');
        return text.ToString();
    }
}
