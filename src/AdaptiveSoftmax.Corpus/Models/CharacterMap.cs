using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// The replacements that SentencePiece compiled into a model: a double-array trie over UTF-8 from what is replaced to the place
/// of its replacement. Immutable.
/// </summary>
internal sealed class CharacterMap
{
    private readonly uint[] _units;
    private readonly byte[] _texts;

    /// <exception cref="CorpusException">The map is broken.</exception>
    public CharacterMap(ReadOnlySpan<byte> map)
    {
        if (map.Length < 4 || BinaryPrimitives.ReadUInt32LittleEndian(map) is var length && (length % 4 != 0 || length > map.Length - 4))
            throw new CorpusException("The tokenizer's map of characters is broken; fetch its file anew.");
        var size = (int)BinaryPrimitives.ReadUInt32LittleEndian(map);
        _units = new uint[size / 4];
        for (var i = 0; i < _units.Length; i++) _units[i] = BinaryPrimitives.ReadUInt32LittleEndian(map[(4 + (4 * i))..]);
        _texts = map[(4 + size)..].ToArray();
    }

    /// <summary>Replaces what text begins with: the longest that is known, else one character by itself.</summary>
    /// <returns>The replacement, and how many bytes it stands for.</returns>
    public (ReadOnlyMemory<byte> Text, int Length) ReplacePrefix(ReadOnlyMemory<byte> text)
    {
        var (place, length) = Find(text.Span, isShortest: false);
        if (place >= 0) return (TextAt(place), length);
        Rune.DecodeFromUtf8(text.Span, out _, out length);
        return (text[..length], length);
    }

    /// <summary>Replaces as the tokenizers library does: short graphemes as a whole if they are known, else each of their characters.</summary>
    public string ReplaceGraphemes(string text)
    {
        const int LongestGrapheme = 6;
        var output = new StringBuilder(text.Length);
        for (var position = 0; position < text.Length;)
        {
            var grapheme = text.AsSpan(position, StringInfo.GetNextTextElementLength(text, position));
            position += grapheme.Length;
            if (Encoding.UTF8.GetByteCount(grapheme) < LongestGrapheme && Replace(grapheme) is { } whole)
            {
                output.Append(whole);
                continue;
            }

            foreach (var rune in grapheme.EnumerateRunes())
            {
                var character = rune.ToString();
                output.Append(Replace(character) ?? character);
            }
        }

        return output.ToString();
    }

    private string? Replace(ReadOnlySpan<char> text)
    {
        var bytes = new byte[Encoding.UTF8.GetByteCount(text)];
        Encoding.UTF8.GetBytes(text, bytes);
        var (place, _) = Find(bytes, isShortest: true);
        return place < 0 ? null : Encoding.UTF8.GetString(TextAt(place).Span);
    }

    private ReadOnlyMemory<byte> TextAt(int place)
    {
        var text = _texts.AsMemory(Math.Min(place, _texts.Length));
        var end = text.Span.IndexOf((byte)0);
        return end < 0 ? text : text[..end];
    }

    private (int Place, int Length) Find(ReadOnlySpan<byte> text, bool isShortest)
    {
        var found = (Place: -1, Length: 0);
        if (_units.Length == 0) return found;
        var node = Offset(_units[0]);
        for (var i = 0; i < text.Length; i++)
        {
            node ^= text[i];
            if (node >= _units.Length || (_units[node] & 0x800000FFu) != text[i]) break;
            var unit = _units[node];
            node ^= Offset(unit);
            if ((unit >> 8 & 1) == 0 || node >= _units.Length) continue;
            found = ((int)(_units[node] & 0x7FFFFFFF), i + 1);
            if (isShortest) break;
        }

        return found;
    }

    private static uint Offset(uint unit) => unit >> 10 << (int)((unit & 1 << 9) >> 6);
}
