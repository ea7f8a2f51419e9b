using System.Text;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>How a token's bytes are written in a table: printable ASCII as it is, <c>\\</c>, and <c>\xHH</c> for the rest.</summary>
internal static class TokenEscapes
{
    private const string Digits = "0123456789ABCDEF";

    /// <summary>Whether a character stands for itself. A space at the end of a token does not, since editors trim it.</summary>
    public static bool IsPlain(int value) => value is >= ' ' and <= '~' and not '\\';

    /// <summary>Appends one byte of a token.</summary>
    public static void Append(StringBuilder text, byte value, bool isLast)
    {
        if (value == '\\')
            text.Append("\\\\");
        else if (IsPlain(value) && !(isLast && value == ' '))
            text.Append((char)value);
        else
            text.Append("\\x").Append(Digits[value >> 4]).Append(Digits[value & 15]);
    }

    /// <summary>The value of a hexadecimal digit of either case, or −1.</summary>
    public static int HexValue(char c) => c switch
    {
        >= '0' and <= '9' => c - '0',
        >= 'a' and <= 'f' => c - 'a' + 10,
        >= 'A' and <= 'F' => c - 'A' + 10,
        _ => -1,
    };
}
