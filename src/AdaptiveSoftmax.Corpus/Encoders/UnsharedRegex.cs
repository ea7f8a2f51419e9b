using System.Collections;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// A copy of a pattern for one thread, which costs next to nothing. An object of a pattern keeps a single runner: threads that
/// match with the same one take it from each other, make new ones all the time, and take almost three times as long.
/// </summary>
internal sealed class UnsharedRegex : Regex
{
    public UnsharedRegex(Regex original)
    {
        pattern = original.ToString();
        roptions = original.Options;
        internalMatchTimeout = original.MatchTimeout;
        factory = FactoryOf(original);
        caps = NumbersOf(original);
        capnames = NamesOf(original);
        capslist = ListOf(original);
        capsize = SizeOf(original);
    }

    // What every regular expression hands to those that derive from it, as the generated ones do.
    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = nameof(factory))]
    private static extern ref RegexRunnerFactory? FactoryOf(Regex regex);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = nameof(caps))]
    private static extern ref Hashtable? NumbersOf(Regex regex);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = nameof(capnames))]
    private static extern ref Hashtable? NamesOf(Regex regex);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = nameof(capslist))]
    private static extern ref string[]? ListOf(Regex regex);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = nameof(capsize))]
    private static extern ref int SizeOf(Regex regex);
}
