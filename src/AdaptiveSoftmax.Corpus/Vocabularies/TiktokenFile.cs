using System.Buffers.Text;
using System.Globalization;
using System.Text;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Corpus;

/// <summary>A file of ranks, whatever it is called: one token a line, <c>base64 id</c>.</summary>
internal sealed class TiktokenFile
{
    // Far beyond any encoding; a stray number must not make a table of gigabytes.
    private const int MaximumId = (1 << 24) - 1;

    private readonly string _path;
    private readonly List<byte[]?> _tokens = [];
    private readonly List<int> _lines = [];

    private TiktokenFile(string path) => _path = path;

    /// <summary>Reads a file.</summary>
    /// <exception cref="CorpusException">The file cannot be read or is not such a file; the message says where.</exception>
    public static TiktokenFile Read(string path)
    {
        var file = new TiktokenFile(path);
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        var number = 0;
        foreach (var line in file.ReadLines())
        {
            number++;
            if (string.IsNullOrWhiteSpace(line)) throw file.Fault(number, "is blank", "Remove it.");
            var space = line.IndexOf(' ', StringComparison.Ordinal);
            var isEmpty = space >= 0 && line.AsSpan(0, space).Trim('=').IsEmpty;
            if (space < 0 || !(isEmpty || Base64.IsValid(line.AsSpan(0, space))))
                throw file.Fault(number, "is not a token in base64, a space and an id");
            if (!int.TryParse(line.AsSpan(space + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var id) || id > MaximumId)
                throw file.Fault(number, $"has no id from 0 to {MaximumId} behind the space");
            if (!file.TryAdd(id, number, isEmpty ? null : Convert.FromBase64String(line[..space])))
                throw file.Fault(number, FormattableString.Invariant($"repeats the id {id}"));
            if (!ids.TryAdd(isEmpty ? "" : line[..space], id)) throw file.Fault(number, FormattableString.Invariant($"repeats the token of id {ids[isEmpty ? "" : line[..space]]}"));
        }

        file.CheckBytes();
        return file;
    }

    /// <summary>The built-in encoding whose tokens the file holds, or null.</summary>
    public BuiltInEncoding? FindBuiltIn() => BuiltInEncoding.All.FirstOrDefault(encoding =>
    {
        if (_tokens.Count < encoding.OrdinaryCount) return false;
        var known = encoding.Vocabulary;
        return _tokens.Count <= known.Count
            && Enumerable.Range(0, _tokens.Count).All(id => _tokens[id] is { } token ? known.GetToken(id).SequenceEqual(token) : known.GetKind(id) != TokenKind.Ordinary);
    });

    /// <summary>
    /// The tokens with special ones. A row that is a special token's name is that token; one without any bytes, which no text
    /// has, is a gap.
    /// </summary>
    /// <exception cref="CorpusException">A special token cannot have its id.</exception>
    public EncodedVocabulary CreateVocabulary(IReadOnlyDictionary<string, int> specialTokens, string endOfText)
    {
        var special = new Dictionary<string, int>(specialTokens);
        foreach (var name in special.Keys.Append(endOfText).Distinct().ToArray())
        {
            var row = FindRow(Encoding.UTF8.GetBytes(name));
            if (row < 0) continue;
            if (special.TryGetValue(name, out var given) && given != row)
                throw Fault(_lines[row], string.Create(CultureInfo.InvariantCulture, $"gives {Excerpt.Name(name)} the id {row}, and {given} is asked for"), "Give the file's id.");
            special[name] = row;
            _tokens[row] = null;
        }

        foreach (var group in special.GroupBy(token => token.Value))
        {
            var (id, names) = (group.Key, string.Join(" and ", group.Select(token => Excerpt.Name(token.Key))));
            if (group.Count() > 1) throw new CorpusException(string.Create(CultureInfo.InvariantCulture, $"The special tokens {names} have one id, {id}; give each its own."));
            if (id is < 0 or > MaximumId) throw new CorpusException(string.Create(CultureInfo.InvariantCulture, $"The special token {names} has the id {id}; ids are from 0 to {MaximumId}."));
            if (id < _tokens.Count && _tokens[id] is not null) throw Fault(_lines[id], string.Create(CultureInfo.InvariantCulture, $"has the id {id}, which the special token {names} is given"), "Give it another id.");
        }

        return EncodedVocabulary.Create(Path.GetFileNameWithoutExtension(_path), _tokens, special, endOfText);
    }

    private bool TryAdd(int id, int line, byte[]? token)
    {
        while (_tokens.Count <= id)
        {
            _tokens.Add(null);
            _lines.Add(0);
        }

        if (_lines[id] != 0) return false;
        (_tokens[id], _lines[id]) = (token, line);
        return true;
    }

    private int FindRow(byte[] token) => _tokens.FindIndex(row => row.AsSpan().SequenceEqual(token));

    private void CheckBytes()
    {
        var single = _tokens.Where(token => token is { Length: 1 }).Select(token => token![0]).ToHashSet();
        for (var value = 0; value < 256; value++)
        {
            if (!single.Contains((byte)value))
                throw new CorpusException($"{Excerpt.Line(_path)} has no token for the byte 0x{value:X2}, so it cannot encode every text. Give a complete rank file.");
        }
    }

    private IEnumerable<string> ReadLines()
    {
        try
        {
            if (RegularFile.FindFault(_path) is { } fault) throw new CorpusException($"{Excerpt.Line(_path)} {fault}.");
            var kind = FileContent.Find(_path);
            if (kind is FileContentKind.RankFile or FileContentKind.Text) return ReadLines(RegularFile.ReadText(_path));
            throw new CorpusException($"{Excerpt.Line(_path)} is {FileContent.Describe(kind)}, and a rank file is asked for: a token in base64, a space and an id a line.");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new CorpusException($"{Excerpt.Line(_path)} cannot be read: {exception.Message}", exception);
        }
    }

    private static IEnumerable<string> ReadLines(string text)
    {
        using var reader = new StringReader(text);
        while (reader.ReadLine() is { } line) yield return line;
    }

    private CorpusException Fault(int line, string what, string remedy = "Give a rank file as its publisher distributes it.") =>
        new(string.Create(CultureInfo.InvariantCulture, $"{Excerpt.Line(_path)}({line}): the line {what}. {remedy}"));
}
