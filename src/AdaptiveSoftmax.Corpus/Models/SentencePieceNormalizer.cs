using System.Text;

namespace AdaptiveSoftmax.Corpus;

/// <summary>The normal form of text in SentencePiece: characters replaced, white space marked, one mark in front.</summary>
internal sealed class SentencePieceNormalizer
{
    public const char Mark = '\u2581';

    private static readonly byte[] s_mark = Encoding.UTF8.GetBytes(Mark.ToString());

    private readonly SentencePieceFile _file;
    private readonly CharacterMap _map;

    public SentencePieceNormalizer(SentencePieceFile file)
    {
        _file = file;
        _map = new CharacterMap(file.CharacterMap.Length == 0 ? new byte[4] : file.CharacterMap);
    }

    public string Normalize(string text, SegmentStart start)
    {
        var input = new ReadOnlyMemory<byte>(Encoding.UTF8.GetBytes(text));
        var output = new List<byte>(input.Length + 8);
        var removes = _file.RemovesExtraWhitespace;
        var isFirst = start == SegmentStart.Document;
        if (removes && isFirst)
        {
            while (!input.IsEmpty && _map.ReplacePrefix(input) is var (space, skipped) && space.Span.SequenceEqual(" "u8)) input = input[skipped..];
        }

        if (input.IsEmpty) return "";
        if (_file.HasDummyPrefix && isFirst) AppendSpace(output);
        var isAfterSpace = removes && isFirst;
        while (!input.IsEmpty)
        {
            var (replaced, length) = _map.ReplacePrefix(input);
            input = input[length..];
            var span = replaced.Span;
            while (isAfterSpace && span.Length > 0 && span[0] == ' ') span = span[1..];
            if (span.IsEmpty) continue;
            foreach (var value in span)
            {
                if (value == ' ') AppendSpace(output);
                else output.Add(value);
            }

            isAfterSpace = removes && span[^1] == ' ';
        }

        if (removes)
        {
            var space = _file.EscapesWhitespace ? s_mark : " "u8.ToArray();
            while (output.Count >= space.Length && output.Skip(output.Count - space.Length).SequenceEqual(space)) output.RemoveRange(output.Count - space.Length, space.Length);
        }

        return Encoding.UTF8.GetString([.. output]);
    }

    private void AppendSpace(List<byte> output)
    {
        if (_file.EscapesWhitespace) output.AddRange(s_mark);
        else output.Add((byte)' ');
    }
}
