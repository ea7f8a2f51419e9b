using System.Globalization;
using System.Text;

namespace AdaptiveSoftmax.Testing;

/// <summary>Gives readers damaged inputs: each is read, or refused in the documented way, in little memory.</summary>
internal static class DamagedInputs
{
    private const long MostBytes = 64L << 20;
    private const int LongestMessage = 8_000;
    private const int MostFaults = 12;

    /// <summary>Reads many.</summary>
    /// <param name="damage">Makes an input.</param>
    /// <param name="read">Reads it.</param>
    /// <param name="isDocumented">Whether an exception is one that the reader's documentation names for inputs that are something else.</param>
    /// <param name="name">What such an exception's message must hold; the file's name.</param>
    /// <param name="mostBytes">The most managed memory that one may take.</param>
    /// <param name="usually">How many inputs when it is not night.</param>
    public static void Read<T>(Func<Mutator, T> damage, Action<T> read, Func<Exception, bool> isDocumented, string name = "", long mostBytes = MostBytes, int usually = 2_000)
    {
        var count = Nightly.Count(usually, 100_000);
        var (accepted, refused) = (0, 0);
        var faults = new Dictionary<string, string>();
        for (var seed = 0; seed < count && faults.Count < MostFaults; seed++)
        {
            var input = damage(new Mutator(seed));
            var before = GC.GetAllocatedBytesForCurrentThread();
            string? fault = null;
            try
            {
                read(input);
                accepted++;
            }
            catch (Exception exception) when (isDocumented(exception))
            {
                refused++;
                fault = FaultOf(exception.Message, name);
            }
            catch (Exception exception)
            {
                fault = string.Join('\n', exception.ToString().Split('\n').Take(8));
            }

            var taken = GC.GetAllocatedBytesForCurrentThread() - before;
            if (taken > mostBytes) fault = string.Create(CultureInfo.InvariantCulture, $"It took {taken >> 20} MB.");
            if (fault is not null) faults.TryAdd(Kind(fault), string.Create(CultureInfo.InvariantCulture, $"seed {seed}: {fault}\n    of {Show(input)}"));
        }

        Assert.True(faults.Count == 0, string.Join("\n\n", faults.Values));

        // What refuses or takes everything is tested by nothing.
        Assert.True(accepted > 0 && refused > 0, string.Create(CultureInfo.InvariantCulture, $"{accepted} inputs were read, and {refused} refused."));
    }

    private static string? FaultOf(string message, string name)
    {
        if (!message.Contains(name, StringComparison.Ordinal)) return $"The message does not name {name}: {message}";
        if (message.Length > LongestMessage) return $"The message has {message.Length} characters.";
        if (message.Any(c => char.IsControl(c) && c is not ('\n' or '\r'))) return $"The message has control characters: {Show(message)}";
        return message.TrimEnd() is [.., '.' or ')' or '`' or '\'' or '"'] ? null : $"The message ends without a sentence: {message}";
    }

    // One of each is enough to read.
    private static string Kind(string fault) => string.Concat(fault.Where(c => !char.IsDigit(c)).Take(60)) + string.Concat(fault.Split('\n').Skip(1).Take(2));

    private static string Show(object? input) => input switch
    {
        byte[] bytes => Cut(Convert.ToHexString(bytes)) + " " + Show(Encoding.Latin1.GetString(bytes)),
        _ => Cut(string.Concat($"{input}".Select(c => char.IsControl(c) || char.IsSurrogate(c) ? string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}") : $"{c}"))),
    };

    private static string Cut(string text) => text.Length <= 1500 ? text : text[..1500] + "…";
}
