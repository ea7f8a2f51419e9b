namespace AdaptiveSoftmax;

/// <summary>The tensors of a states file and what they are called, for reader and writer.</summary>
internal static class StatesTensors
{
    public const string Hidden = "hidden";
    public const string Targets = "targets";
    public const string Domain = "domain";
    public const string Loss = "loss";

    /// <summary>The metadata with the domains' names.</summary>
    public const string DomainNames = "domains";

    public const string Int32 = "I32";
    public const string Int64 = "I64";
}
