using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace AdaptiveSoftmax.Corpus;

/// <summary>Reads a <c>.tiktoken</c> file: one ordinary token a line, <c>base64 id</c>.</summary>
internal static class TiktokenFile
{
    // Far beyond any encoding; a stray number must not make a table of gigabytes.
    private const int MaximumId = (1 << 24) - 1;

    /// <summary>
    /// The tokens of a file, and behind them an end-of-text token, which such files leave to the program that reads
    /// them.
    /// </summary>
    /// <exception cref="CorpusException">The file cannot be read or is not such a file; the message says where.</exception>
    public static EncodedVocabulary Read(string path)
    {
        var tokens = new List<byte[]?>();
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        var number = 0;
        foreach (var line in ReadLines(path))
        {
            number++;
            if (line.Length == 0) continue;
            var space = line.IndexOf(' ', StringComparison.Ordinal);
            if (space < 0 || !Base64.IsValid(line.AsSpan(0, space)))
                throw Fault(path, number, "is not a token in base64, a space and an id");
            if (!int.TryParse(line.AsSpan(space + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var id) || id > MaximumId)
                throw Fault(path, number, $"has no id from 0 to {MaximumId} behind the space");
            while (tokens.Count <= id) tokens.Add(null);
            if (tokens[id] is not null) throw Fault(path, number, $"repeats the id {id}");
            tokens[id] = Convert.FromBase64String(line[..space]);
            if (!ids.TryAdd(line[..space], id)) throw Fault(path, number, $"repeats the token of id {ids[line[..space]]}");
        }

        var single = tokens.Where(token => token is { Length: 1 }).Select(token => token![0]).ToHashSet();
        for (var value = 0; value < 256; value++)
        {
            if (!single.Contains((byte)value))
                throw new CorpusException($"{path} has no token for the byte 0x{value:X2}, so it cannot encode every text. Give a complete .tiktoken file.");
        }

        return EncodedVocabulary.Create(Path.GetFileNameWithoutExtension(path), tokens, new Dictionary<string, int> { [EncodedVocabulary.EndOfText] = tokens.Count });
    }

    private static string[] ReadLines(string path)
    {
        try
        {
            return File.ReadAllLines(path, Encoding.UTF8);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new CorpusException($"{path} cannot be read: {exception.Message}", exception);
        }
    }

    private static CorpusException Fault(string path, int line, string what) =>
        new(string.Create(CultureInfo.InvariantCulture, $"{path}({line}): the line {what}. Give a .tiktoken file as its publisher distributes it."));
}
