using System.Buffers.Binary;
using static System.FormattableString;

namespace AdaptiveSoftmax;

/// <summary>The maps of a draft as a file has them.</summary>
internal sealed class DraftMaps
{
    private const string Remedy = "Take another copy, or make the maps anew with `adaptive-softmax draft`.";

    /// <summary>Reads and checks both.</summary>
    /// <exception cref="WeightsFormatException">There are none, or they do not agree.</exception>
    public DraftMaps(WeightsFile file)
    {
        var toTarget = Find(file, DraftVocabulary.ToTarget, "I64", "I32");
        var isKnown = Read(file, Find(file, DraftVocabulary.FromTarget, "BOOL", "U8"));
        var offsets = Read(file, toTarget);
        var isWide = toTarget.Type == "I64";
        Tokens = new int[toTarget.Count];
        TargetSize = isKnown.Length;
        var seen = new bool[isKnown.Length];
        for (var i = 0; i < Tokens.Length; i++)
        {
            var token = i + (isWide ? BinaryPrimitives.ReadInt64LittleEndian(offsets.AsSpan(8 * i)) : BinaryPrimitives.ReadInt32LittleEndian(offsets.AsSpan(4 * i)));
            if (token < 0 || token >= TargetSize)
                throw file.CreateFault(DraftVocabulary.ToTarget, Invariant($"Its value {i} leads to token {token}, and '{DraftVocabulary.FromTarget}' has {TargetSize} tokens."), "Its values are differences, token id less place. " + Remedy);
            if (isKnown[token] == 0) throw file.CreateFault(DraftVocabulary.ToTarget, Invariant($"Its value {i} leads to token {token}, which '{DraftVocabulary.FromTarget}' says the draft does not know."), Remedy);
            if (seen[token]) throw file.CreateFault(DraftVocabulary.ToTarget, Invariant($"Its value {i} leads to token {token}, as an earlier one does."), Remedy);
            seen[token] = true;
            Tokens[i] = (int)token;
        }

        if (isKnown.Count(value => value != 0) is var known && known != Tokens.Length)
            throw file.CreateFault(DraftVocabulary.FromTarget, Invariant($"It says that the draft knows {known} tokens, and '{DraftVocabulary.ToTarget}' has {Tokens.Length}."), Remedy);
    }

    /// <summary>The token id of each of the draft's tokens.</summary>
    public int[] Tokens { get; }

    /// <summary>The tokens of the target.</summary>
    public int TargetSize { get; }

    private static WeightsTensor Find(WeightsFile file, string name, string type, string otherType)
    {
        if (!file.TryGetTensor(name, out var tensor))
            throw file.CreateFault(null, $"It has no '{name}', and so no map of a draft's vocabulary.", "Give a file that `adaptive-softmax draft` wrote, or an EAGLE-3 draft with a vocabulary of its own.");
        if ((tensor.Type != type && tensor.Type != otherType) || tensor.Shape is not [> 0 and <= int.MaxValue] || !file.CanCopyBytes(tensor))
            throw file.CreateFault(name, $"It is {tensor.Type} of shape {WeightsText.Shape(tensor.Shape)} in a file of {file.Format}, and the map is a vector of {type} or {otherType} in safetensors.", Remedy);
        return tensor;
    }

    private static byte[] Read(WeightsFile file, WeightsTensor tensor)
    {
        var bytes = new byte[tensor.Count * SafetensorsTypes.FindBits(tensor.Type) / 8];
        var filled = 0;
        file.CopyBytes(
            tensor,
            chunk =>
            {
                chunk.CopyTo(bytes.AsSpan(filled));
                filled += chunk.Length;
            },
            CancellationToken.None);
        return bytes;
    }
}
