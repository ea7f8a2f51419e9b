using System.Globalization;
using System.Text.Json;

namespace ServerSample;

/// <summary>What a body may not have although it is JSON: half of a surrogate pair, a member twice, too much nesting.</summary>
internal static class JsonFaults
{
    /// <summary>Finds the first such fault.</summary>
    /// <param name="body">The body, in UTF-8.</param>
    /// <param name="maxDepth">The deepest nesting that is taken.</param>
    /// <returns>What is to be said of it; null where there is none, or what is no JSON comes first.</returns>
    public static ApiException? Find(ReadOnlySpan<byte> body, int maxDepth)
    {
        var reader = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = int.MaxValue });
        var open = new Stack<Level>();
        try
        {
            while (reader.Read())
            {
                var level = open.TryPeek(out var top) ? top : null;
                switch (reader.TokenType)
                {
                    case JsonTokenType.EndObject or JsonTokenType.EndArray:
                        open.Pop();
                        continue;
                    case JsonTokenType.PropertyName:
                        level!.Name = null;
                        var name = reader.GetString()!;
                        level.Name = name;
                        if (!level.Names!.Add(name)) return ApiException.Invalid($"'{PrintableText.Quote(PathOf(open))}' is given twice; give it once.", ParameterOf(open));
                        continue;
                }

                if (level is { Names: null }) level.Index++;
                if (reader.TokenType == JsonTokenType.String) reader.GetString();
                if (reader.TokenType is not (JsonTokenType.StartObject or JsonTokenType.StartArray)) continue;
                if (open.Count == maxDepth) return ApiException.Invalid(string.Create(CultureInfo.InvariantCulture, $"'{PrintableText.Quote(PathOf(open))}' is nested too deep: the body may have {maxDepth} levels of objects and arrays."), ParameterOf(open));
                open.Push(new Level(reader.TokenType == JsonTokenType.StartObject));
            }
        }
        catch (InvalidOperationException)
        {
            // The body is UTF-8, so that only an escape sequence can be no text.
            return ApiException.Invalid("The body has an escape sequence such as \"\\ud83d\" without its other half; half of a surrogate pair is no character.", ParameterOf(open));
        }
        catch (JsonException)
        {
            // Where it is says who reads it into an object.
        }

        return null;
    }

    private static string PathOf(Stack<Level> open) => string.Concat(open.Reverse().Select(level => level.Names is null ? $"[{level.Index}]" : $".{level.Name}")).TrimStart('.');

    // The member of the body.
    private static string? ParameterOf(Stack<Level> open) => open.Count == 0 ? null : open.Last().Name;

    /// <summary>An object or an array that the reader is in.</summary>
    private sealed class Level(bool isObject)
    {
        /// <summary>The members so far; null of an array.</summary>
        public HashSet<string>? Names { get; } = isObject ? [] : null;

        public string? Name { get; set; }

        public int Index { get; set; } = -1;
    }
}
