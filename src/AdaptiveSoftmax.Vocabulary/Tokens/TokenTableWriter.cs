using System.Globalization;
using System.Text;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// Writes a token table: one line a slot, <c>id TAB count TAB token</c>, each ended by a line feed. Bytes outside
/// printable ASCII, and a space at a token's end, are written <c>\xHH</c>, a backslash <c>\\</c>. Where tokens are pinned, the
/// line <c>#pinned TAB n</c> stands before them; where more of the first stand as an earlier plan had them, <c>#kept TAB n</c>.
/// </summary>
public static class TokenTableWriter
{
    private const int ChunkLength = 1 << 15;

    /// <summary>Writes a table. The same table gives the same text under every culture and platform.</summary>
    /// <param name="writer">Receives the text, which is all ASCII.</param>
    /// <param name="table">The table.</param>
    /// <param name="cancellationToken">Stops between chunks of lines; what was written until then stays.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static void Write(TextWriter writer, TokenTable table, CancellationToken cancellationToken = default)
    {
        if (writer is null) throw new ArgumentNullException(nameof(writer));
        if (table is null) throw new ArgumentNullException(nameof(table));
        var chunk = new StringBuilder(ChunkLength + 1024);
        if (table.PinnedCount > 0) chunk.Append(TokenTableHeader.PinnedName).Append('\t').Append(table.PinnedCount.ToString(CultureInfo.InvariantCulture)).Append('\n');
        if (table.KeptCount > table.PinnedCount) chunk.Append(TokenTableHeader.KeptName).Append('\t').Append(table.KeptCount.ToString(CultureInfo.InvariantCulture)).Append('\n');
        for (var slot = 0; slot < table.Count; slot++)
        {
            AppendLine(chunk, table, slot);
            if (chunk.Length < ChunkLength) continue;
            cancellationToken.ThrowIfCancellationRequested();
            writer.Write(chunk.ToString());
            chunk.Clear();
        }

        cancellationToken.ThrowIfCancellationRequested();
        writer.Write(chunk.ToString());
    }

    /// <summary>A token as a table has it: printable ASCII, other bytes as <c>\xHH</c>.</summary>
    /// <param name="token">The token's bytes.</param>
    public static string Escape(ReadOnlySpan<byte> token)
    {
        var text = new StringBuilder(token.Length);
        AppendToken(text, token);
        return text.ToString();
    }

    private static void AppendLine(StringBuilder text, TokenTable table, int slot)
    {
        text.Append(table.GetId(slot).ToString(CultureInfo.InvariantCulture)).Append('\t')
            .Append(table.GetCount(slot).ToString(CultureInfo.InvariantCulture)).Append('\t');
        AppendToken(text, table.GetToken(slot));
        text.Append('\n');
    }

    private static void AppendToken(StringBuilder text, ReadOnlySpan<byte> token)
    {
        for (var i = 0; i < token.Length; i++) TokenEscapes.Append(text, token[i], isLast: i == token.Length - 1);
    }
}
