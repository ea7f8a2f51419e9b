namespace AdaptiveSoftmax.Vocabulary;

/// <summary>The type of a JSON value.</summary>
internal enum JsonKind
{
    /// <summary>A value that was reported as malformed; nothing more is to be said about it.</summary>
    Invalid,
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

/// <summary>A JSON value and where it stands. An array's or object's span is its opening bracket.</summary>
internal sealed class JsonNode(JsonKind kind, SourceSpan span)
{
    public JsonKind Kind { get; } = kind;

    public SourceSpan Span { get; } = span;

    /// <summary>A string's value, or a number or literal as it is written.</summary>
    public string Text { get; init; } = "";

    public List<JsonNode> Items { get; } = kind == JsonKind.Array ? [] : NoItems;

    public List<JsonMember> Members { get; } = kind == JsonKind.Object ? [] : NoMembers;

    private static List<JsonNode> NoItems { get; } = [];

    private static List<JsonMember> NoMembers { get; } = [];
}

/// <summary>A member of a JSON object.</summary>
internal readonly record struct JsonMember(string Name, SourceSpan NameSpan, JsonNode Value);
