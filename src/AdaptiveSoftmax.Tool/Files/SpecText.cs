using System.Text;
using System.Text.Json;

namespace AdaptiveSoftmax.Tool.Files;

/// <summary>The text of a spec, in which members are changed and all else stays as it is written.</summary>
internal sealed class SpecText
{
    private readonly List<Member> _members = [];
    private byte[] _text;

    /// <param name="text">A JSON object.</param>
    /// <exception cref="JsonException">It is none.</exception>
    public SpecText(string text)
    {
        _text = Encoding.UTF8.GetBytes(text.TrimStart('\ufeff'));
        FindMembers();
    }

    /// <summary>The names of the members, in their order.</summary>
    public IEnumerable<string> Names => _members.Select(member => member.Name);

    public override string ToString() => Encoding.UTF8.GetString(_text);

    /// <summary>A member's value as it is written, or null where there is none.</summary>
    public string? Get(string name) => _members.Find(member => member.Name == name) is { } found ? Encoding.UTF8.GetString(_text, found.ValueStart, found.End - found.ValueStart) : null;

    /// <summary>Gives a member a value, behind the last member where it is new.</summary>
    /// <param name="name">The name.</param>
    /// <param name="json">The value as JSON.</param>
    public void Set(string name, string json)
    {
        if (_members.Find(member => member.Name == name) is { } found) Replace(found.ValueStart, found.End, json);
        else if (_members.Count > 0) Replace(_members[^1].End, _members[^1].End, $",{NewLine}  \"{name}\": {json}");
        else Replace(_text.AsSpan().IndexOf((byte)'{') + 1, _text.AsSpan().IndexOf((byte)'{') + 1, $"{NewLine}  \"{name}\": {json}{NewLine}");
    }

    /// <summary>Takes a member away, where there is one.</summary>
    public void Remove(string name)
    {
        var index = _members.FindIndex(member => member.Name == name);
        if (index < 0) return;
        if (index > 0) Replace(_members[index - 1].End, _members[index].End, "");
        else Replace(_members[0].Start, _members.Count > 1 ? _members[1].Start : _members[0].End, "");
    }

    private string NewLine => _text.AsSpan().Contains((byte)'\r') ? "\r\n" : "\n";

    private void Replace(int start, int end, string text)
    {
        _text = [.. _text[..start], .. Encoding.UTF8.GetBytes(text), .. _text[end..]];
        FindMembers();
    }

    private void FindMembers()
    {
        _members.Clear();
        var reader = new Utf8JsonReader(_text);
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject) throw new JsonException("It is no object.");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var (name, start) = (reader.GetString()!, (int)reader.TokenStartIndex);
            reader.Read();
            var valueStart = (int)reader.TokenStartIndex;
            reader.Skip();
            _members.Add(new Member(name, start, valueStart, (int)reader.BytesConsumed));
        }

        // What stands behind the object is found here.
        while (reader.Read())
        {
        }
    }

    private sealed record Member(string Name, int Start, int ValueStart, int End);
}
