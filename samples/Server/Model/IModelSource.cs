namespace ServerSample;

/// <summary>Where a model comes from, and from where its successors will.</summary>
internal interface IModelSource
{
    /// <summary>The files that decide it.</summary>
    IReadOnlyList<string> Files { get; }

    /// <summary>Loads it as the files are now.</summary>
    ServedModel Load();
}
