using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>128-bit fingerprints: the first half of a SHA-256 over a canonical form, in lower-case hexadecimal.</summary>
internal static class Fingerprints
{
    private const int Bytes = 16;

    /// <summary>The fingerprint of ids and tokens in slot order: number of tokens, ids, ends, bytes, all little-endian.</summary>
    public static string OfVocabulary(int[] ids, int[] offsets, byte[] bytes)
    {
        var header = Encoding.ASCII.GetBytes("AdaptiveSoftmax vocabulary 1\n");
        var numbers = new byte[header.Length + (4 * (1 + ids.Length + ids.Length))];
        header.CopyTo(numbers, 0);
        var rest = numbers.AsSpan(header.Length);
        BinaryPrimitives.WriteInt32LittleEndian(rest, ids.Length);
        for (var slot = 0; slot < ids.Length; slot++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(rest.Slice(4 * (1 + slot)), ids[slot]);
            BinaryPrimitives.WriteInt32LittleEndian(rest.Slice(4 * (1 + ids.Length + slot)), offsets[slot + 1]);
        }

        using var sha = SHA256.Create();
        sha.TransformBlock(numbers, 0, numbers.Length, null, 0);
        sha.TransformFinalBlock(bytes, 0, bytes.Length);
        return ToHex(sha.Hash!);
    }

    /// <summary>The fingerprint of a canonical text.</summary>
    public static string OfText(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        using var sha = SHA256.Create();
        sha.TransformFinalBlock(bytes, 0, bytes.Length);
        return ToHex(sha.Hash!);
    }

    private static string ToHex(byte[] hash)
    {
        var text = new StringBuilder(2 * Bytes);
        for (var i = 0; i < Bytes; i++) text.Append(hash[i].ToString("x2", CultureInfo.InvariantCulture));
        return text.ToString();
    }
}
