using System.Globalization;

namespace ServerSample;

/// <summary>
/// Finds words that a tokenizer of byte pairs would be long at: the time that it takes for a word grows with the square of
/// its length. To split such a word would change its tokens.
/// </summary>
/// <remarks>
/// The known encodings split text by regular expressions over UTF-16, where half of a surrogate pair is a sign. Their words
/// are letters with marks, behind one other character at most; up to three digits; signs with marks, and behind them line
/// ends and slashes; or white space. No word has more bytes than the runs that are measured here, but for the one character.
/// </remarks>
internal static class LongWords
{
    /// <summary>Where a run begins that has more than so many bytes as UTF-8; −1 where there is none.</summary>
    public static int Find(ReadOnlySpan<char> text, int mostBytes)
    {
        var (letters, signs, space) = (new Run(), new Run(), new Run());
        var isBehindSigns = false;
        for (var i = 0; i < text.Length; i++)
        {
            var character = text[i];
            var (isLetter, isNumber, isSpace) = (char.IsLetter(character), char.IsNumber(character), char.IsWhiteSpace(character));
            var isSign = !isLetter && !isNumber && !isSpace;
            var bytes = character < 0x80 ? 1 : character < 0x800 || char.IsSurrogate(character) ? 2 : 3;

            letters.Add(isLetter || IsMark(character), i, bytes);
            space.Add(isSpace, i, bytes);
            var isLineEnd = character is '\r' or '\n';
            if (isBehindSigns && !isLineEnd && character != '/') signs = new Run();
            isBehindSigns = isLineEnd ? signs.Bytes > 0 : isBehindSigns && character == '/';
            signs.Add(isSign || isBehindSigns, i, bytes);

            if (letters.Bytes > mostBytes) return letters.Start;
            if (signs.Bytes > mostBytes) return signs.Start;
            if (space.Bytes > mostBytes) return space.Start;
        }

        return -1;
    }

    private static bool IsMark(char character) => char.GetUnicodeCategory(character)
        is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark;

    private struct Run
    {
        public int Start { get; private set; }

        public int Bytes { get; private set; }

        public void Add(bool goesOn, int position, int bytes)
        {
            if (!goesOn)
            {
                Bytes = 0;
                return;
            }

            if (Bytes == 0) Start = position;
            Bytes += bytes;
        }
    }
}
