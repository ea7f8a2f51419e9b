namespace AdaptiveSoftmax.Tool.Terminal;

/// <summary>What the tool exits with.</summary>
internal static class ExitCode
{
    public const int Success = 0;
    public const int Failure = 1;

    /// <summary>What <c>drift</c> exits with where it finds some, and <c>check</c> where something is not what was pinned.</summary>
    public const int Different = 2;

    /// <summary>What a command that keeps going exits with where it left something out that it could not read.</summary>
    public const int Incomplete = 3;

    /// <summary>What a shell reports of a process that Ctrl-C ended.</summary>
    public const int Cancelled = 130;
}
