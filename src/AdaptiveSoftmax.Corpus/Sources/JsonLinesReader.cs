using System.Globalization;
using System.Text;
using System.Text.Json;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Corpus;

/// <summary>Reads the text in JSON lines: the fields of a line are one document, with a line feed between them.</summary>
internal static class JsonLinesReader
{
    private const int NamedInMessage = 8;

    private static readonly JsonDocumentOptions s_options = new() { AllowDuplicateProperties = true };

    public static IEnumerable<TextPiece> Read(CorpusFile file, CancellationToken cancellationToken)
    {
        using var stream = file.Open();
        var lines = new ByteLines(stream);
        var found = false;
        var members = new SortedSet<string>(StringComparer.Ordinal);
        var position = 0L;
        for (var number = 1L; lines.TryRead(out var line); number++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (number == 1 && line.Span.StartsWith("\ufeff"u8)) line = line["\ufeff"u8.Length..];
            if (line.Span.Trim(" \t\r"u8).IsEmpty) continue;
            var text = ReadLine(file, number, line, found ? null : members);
            if (text is null) continue;
            found = true;
            yield return new TextPiece(text, true, stream.Position - position);
            position = stream.Position;
        }

        if (!found && members.Count > 0) throw NoField(file, members);
    }

    // Null where the line has none of the fields.
    private static string? ReadLine(CorpusFile file, long number, ReadOnlyMemory<byte> line, SortedSet<string>? members)
    {
        try
        {
            using var document = JsonDocument.Parse(line, s_options);
            var text = new StringBuilder();
            var isFound = false;
            foreach (var field in file.Fields) isFound |= Append(file, number, field, document.RootElement, field, text, isFound);
            if (isFound) return text.ToString();
            if (document.RootElement.ValueKind != JsonValueKind.Object) throw Fault(file, number, "is no JSON object, and has no fields", "Give lines such as {\"text\": \"...\"}.");
            foreach (var member in document.RootElement.EnumerateObject().Take(members is null ? 0 : NamedInMessage)) members!.Add(member.Name);
            return null;
        }
        catch (JsonException exception)
        {
            throw Fault(file, number, $"is not one whole JSON value ({exception.Message.Split(" LineNumber:")[0].Split(" Path:")[0].TrimEnd('.')})", "Write one value a line, as `jq -c` does.", exception);
        }
        catch (InvalidOperationException exception)
        {
            throw Fault(file, number, "holds a text that is not Unicode: bytes that are not UTF-8, or half of a surrogate pair", "Mend or remove the line.", exception);
        }
    }

    private static bool Append(CorpusFile file, long number, string field, JsonElement element, ReadOnlySpan<char> path, StringBuilder text, bool isFollowing)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Array:
                var isAny = false;
                foreach (var item in element.EnumerateArray()) isAny |= Append(file, number, field, item, path, text, isFollowing || isAny);
                return isAny;
            case JsonValueKind.Null:
                return false;
            case JsonValueKind.String when path.IsEmpty:
                if (isFollowing) text.Append('\n');
                text.Append(element.GetString());
                return true;
            case JsonValueKind.Object when !path.IsEmpty:
                return AppendMember(file, number, field, element, path, text, isFollowing);
            default:
                if (!path.IsEmpty) return false;
                throw Fault(file, number, $"has no text in {Excerpt.Name(field)}, but {Describe(element.ValueKind)}", "Give a field with text.");
        }
    }

    // A member that is called like the whole path comes before one that is called like its first part.
    private static bool AppendMember(CorpusFile file, long number, string field, JsonElement element, ReadOnlySpan<char> path, StringBuilder text, bool isFollowing)
    {
        if (element.TryGetProperty(path, out var whole)) return Append(file, number, field, whole, [], text, isFollowing);
        for (var dot = path.IndexOf('.'); dot > 0 && dot < path.Length;)
        {
            if (element.TryGetProperty(path[..dot], out var part)) return Append(file, number, field, part, path[(dot + 1)..], text, isFollowing);
            var next = path[(dot + 1)..].IndexOf('.');
            if (next < 0) break;
            dot += next + 1;
        }

        return false;
    }

    private static string Describe(JsonValueKind kind) => kind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Number => "a number",
        _ => "true or false",
    };

    private static CorpusException NoField(CorpusFile file, SortedSet<string> members) =>
        new($"{Excerpt.Line(file.Path)} has no {string.Join(" and no ", file.Fields.Select(field => Excerpt.Quote(field)))} in any line; there are {Excerpt.List(members, members.Count, name => Excerpt.Quote(name))}. Give one of those as the field.");

    private static CorpusException Fault(CorpusFile file, long line, string what, string remedy, Exception? cause = null) =>
        new(string.Create(CultureInfo.InvariantCulture, $"{Excerpt.Line(file.Path)}({line}): the line {what}. {remedy}"), cause!);
}
