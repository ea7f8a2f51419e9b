using System.Text;
using System.Text.Json;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>Texts that nobody writes and every crawl holds, each the same for every run.</summary>
internal static class OddTexts
{
    /// <summary>How the names of texts end that are an error.</summary>
    public const string Refused = "refused";

    /// <summary>What each text is, the name of its file, and its bytes.</summary>
    /// <param name="length">The bytes of each, about.</param>
    public static IEnumerable<(string Name, string File, byte[] Bytes)> Create(int length)
    {
        var random = new Random(1);
        string Of(Func<string> next)
        {
            var text = new StringBuilder();
            for (var bytes = 0; bytes < length;)
            {
                var part = next();
                text.Append(part);
                bytes += Encoding.UTF8.GetByteCount(part);
            }

            return text.ToString();
        }

        string Among(string letters) => letters[random.Next(letters.Length)].ToString();
        string Between(int first, int last) => char.ConvertFromUtf32(random.Next(first, last + 1));
        string Letter() => Between('a', 'z');
        byte[] RandomBytes()
        {
            var bytes = new byte[length];
            random.NextBytes(bytes);
            return bytes;
        }

        (string Name, string Text)[] texts =
        [
            ("one word of random letters", Of(Letter)),
            ("one word of one letter", Of(() => "a")),
            ("punctuation without an end", Of(() => "!")),
            ("digits", Of(() => Between('0', '9'))),
            ("spaces", Of(() => " ")),
            ("line ends", Of(() => "\n")),
            ("emoji", Of(() => Between(0x1F600, 0x1F64F))),
            ("Chinese without spaces, at random", Of(() => Between(0x4E00, 0x9FA5))),
            ("combining marks in no order", "a" + Of(() => Between(0x300, 0x33F))),
            ("base64, one line", Convert.ToBase64String(RandomBytes())[..length]),
            ("hexadecimal", Of(() => Among("0123456789abcdef"))),
            ("JSON on one line", Of(() => $$"""{"id":{{random.Next(1_000_000)}},"name":"{{Letter()}}{{Letter()}}","tags":[]},""")),
            ("one letter a line", Of(() => Letter() + "\n")),
            ("random bytes as Latin-1", Encoding.Latin1.GetString(RandomBytes()).Replace('\0', ' ')),
            ("control characters", Of(() => Between(1, 31))),
        ];
        foreach (var (name, text) in texts) yield return (name, "text.txt", Encoding.UTF8.GetBytes(text));

        // What is no text is refused, at the place where that shows: here only at the end.
        var letters = Of(() => random.Next(6) == 0 ? " " : Letter());
        yield return ($"a byte at the end that is no UTF-8: {Refused}", "text.txt", [.. Encoding.UTF8.GetBytes(letters), 0xFF]);
        yield return ($"a zero byte at the end: {Refused}", "text.txt", [.. Encoding.UTF8.GetBytes(letters), 0]);
        yield return ("one field of a JSON line, with NUL", "text.jsonl", Json(Of(() => random.Next(4) == 0 ? "\0" : Letter())));
        yield return ("one field of a JSON line, random letters", "text.jsonl", Json(Of(Letter)));
        yield return ("one field of a CSV row, quotes and line ends", "text.csv", Encoding.UTF8.GetBytes("text\n\"" + Of(() => Among("ab \n\"")).Replace("\"", "\"\"", StringComparison.Ordinal) + "\"\n"));
    }

    private static byte[] Json(string text) => [.. JsonSerializer.SerializeToUtf8Bytes(new { text }), (byte)'\n'];
}
