using System.Text;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// Reads the tokens that a spec holds inline. A string is a token's text, its id the index and its count 0; an object
/// gives <c>token</c> (text) or <c>bytes</c> (hexadecimal), and <c>id</c> and <c>count</c> where they differ.
/// </summary>
internal sealed class InlineVocabularyReader(SpecValues values, ErrorList errors)
{
    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly Dictionary<int, int> _indexById = [];
    private readonly Dictionary<string, int> _indexByToken = new(StringComparer.Ordinal);

    /// <summary>The tokens in slot order, or null where one of them cannot be read.</summary>
    public TokenTable? Read(JsonNode list)
    {
        var count = list.Items.Count;
        if (count == 0)
            errors.Add(SpecErrorKind.EmptyVocabulary, list.Span, $"The vocabulary is empty; a softmax needs at least 2 tokens.", $"List the tokens, or name a token table: \"vocabulary\": \"name.tokens\".");
        if (count == 1)
            errors.Add(SpecErrorKind.SingleToken, list.Items[0].Span, $"The vocabulary has only one token; a softmax needs at least 2.", $"List the other tokens, or name a token table: \"vocabulary\": \"name.tokens\".");
        var ids = new int[count];
        var counts = new long[count];
        var tokens = new byte[count][];
        var isWhole = count > 1;
        for (var i = 0; i < count && !errors.IsFull; i++) isWhole &= TryReadEntry(list.Items[i], i, ids, counts, tokens);
        return isWhole && !errors.IsFull ? TokenTable.Create(ids, counts, tokens) : null;
    }

    private bool TryReadEntry(JsonNode node, int index, int[] ids, long[] counts, byte[][] tokens)
    {
        byte[]? token;
        int? id = index;
        long? count = 0;
        var (tokenSpan, idSpan) = (node.Span, node.Span);
        switch (node.Kind)
        {
            case JsonKind.String:
                token = Encode(node);
                break;
            case JsonKind.Object:
                var members = values.MembersOf(node, "a token", SpecMembers.OfToken);
                token = ReadToken(node, index, members);
                tokenSpan = members.TryGetValue(SpecMembers.Token, out var tokenNode) || members.TryGetValue(SpecMembers.Bytes, out tokenNode) ? tokenNode.Span : node.Span;
                if (members.TryGetValue(SpecMembers.Id, out var idNode))
                {
                    id = ReadId(index, idNode);
                    idSpan = idNode.Span;
                }

                if (members.TryGetValue(SpecMembers.Count, out var countNode)) count = values.ReadInteger(FormattableString.Invariant($"vocabulary[{index}].count"), countNode, 0, long.MaxValue);
                break;
            default:
                values.WrongType(FormattableString.Invariant($"vocabulary[{index}]"), node, "a token", $"Write \"text\" or {{ \"token\": \"text\", \"id\": {index}, \"count\": 0 }}.");
                return false;
        }

        var isDistinct = (token is null || IsNewToken(token, index, tokenSpan)) & (id is null || IsNewId(id.Value, index, idSpan));
        if (token is null || id is null || count is null || !isDistinct) return false;
        (ids[index], counts[index], tokens[index]) = (id.Value, count.Value, token);
        return true;
    }

    private byte[]? ReadToken(JsonNode node, int index, Dictionary<string, JsonNode> members)
    {
        var hasText = members.TryGetValue(SpecMembers.Token, out var text);
        var hasBytes = members.TryGetValue(SpecMembers.Bytes, out var bytes);
        if (!hasText && !hasBytes)
        {
            errors.Add(SpecErrorKind.MissingMember, node.Span, $"vocabulary[{index}] has neither token nor bytes.", $"Add \"token\": \"text\", or \"bytes\": \"c3a9\" in hexadecimal.");
            return null;
        }

        if (hasText && hasBytes)
        {
            errors.Add(SpecErrorKind.ConflictingMembers, bytes!.Span, $"vocabulary[{index}] has both token and bytes.", $"Remove one of the two.");
            return null;
        }

        if (hasText) return values.ReadString(FormattableString.Invariant($"vocabulary[{index}].token"), text!, "\"the\"") is null ? null : Encode(text!);
        return values.ReadString(FormattableString.Invariant($"vocabulary[{index}].bytes"), bytes!, "\"c3a9\"") is null ? null : Decode(bytes!);
    }

    private int? ReadId(int index, JsonNode node)
    {
        if (node.Kind == JsonKind.Number && JsonNumber.TryGetInteger(node.Text, out var isNegative, out var magnitude))
        {
            if (isNegative && magnitude > 0)
            {
                errors.Add(SpecErrorKind.NegativeId, node.Span, $"The id {Excerpt.Of(node.Text)} is negative; ids run from 0 to 2147483647.", $"Give the token an id that is not negative.");
                return null;
            }

            if (magnitude > int.MaxValue)
            {
                errors.Add(SpecErrorKind.IdTooLarge, node.Span, $"The id {Excerpt.Of(node.Text)} is too large; ids run from 0 to 2147483647.", $"Give the token an id of at most 2147483647 (2^31 - 1).");
                return null;
            }
        }

        return (int?)values.ReadInteger(FormattableString.Invariant($"vocabulary[{index}].id"), node, 0, int.MaxValue);
    }

    private bool IsNewToken(byte[] token, int index, SourceSpan span)
    {
        var key = Convert.ToBase64String(token);
        if (!_indexByToken.TryGetValue(key, out var earlier))
        {
            _indexByToken.Add(key, index);
            return true;
        }

        errors.Add(SpecErrorKind.DuplicateToken, span, $"The token {Excerpt.Token(token)} is vocabulary[{earlier}] already; tokens must be distinct.", $"Remove one of the two.");
        return false;
    }

    private bool IsNewId(int id, int index, SourceSpan span)
    {
        if (!_indexById.TryGetValue(id, out var earlier))
        {
            _indexById.Add(id, index);
            return true;
        }

        errors.Add(SpecErrorKind.DuplicateId, span, $"The id {id} is that of vocabulary[{earlier}] already; ids must be distinct. A token without an id has its index as id.", $"Give one of the two another id.");
        return false;
    }

    private byte[]? Encode(JsonNode node)
    {
        var text = node.Text;
        var lone = Surrogates.IndexOfLone(text);
        if (lone >= 0)
        {
            errors.Add(SpecErrorKind.InvalidToken, node.Span, $"The token {Excerpt.Quote(text)} holds half of a surrogate pair, {Excerpt.Character(text[lone])}, which UTF-8 cannot write.", $"Write the whole character, or the token's bytes as {{ \"bytes\": \"HH\" }}.");
            return null;
        }

        return s_utf8.GetBytes(text);
    }

    private byte[]? Decode(JsonNode node)
    {
        var text = node.Text;
        var bytes = new byte[text.Length / 2];
        var isValid = text.Length % 2 == 0;
        for (var i = 0; isValid && i < bytes.Length; i++)
        {
            var (high, low) = (TokenEscapes.HexValue(text[2 * i]), TokenEscapes.HexValue(text[(2 * i) + 1]));
            isValid = (high | low) >= 0;
            bytes[i] = (byte)((high << 4) | low);
        }

        if (isValid) return bytes;
        errors.Add(SpecErrorKind.InvalidToken, node.Span, $"The bytes {Excerpt.Quote(text)} are not pairs of hexadecimal digits.", $"Write two digits a byte without anything between, for example \"c3a9\".");
        return null;
    }
}
