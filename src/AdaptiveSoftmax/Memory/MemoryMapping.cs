namespace AdaptiveSoftmax;

/// <summary>Whether weights are read from a file, or their file is part of the memory.</summary>
public enum MemoryMapping
{
    /// <summary>Weights are read into memory of the process's own; the file is closed.</summary>
    Off,

    /// <summary>
    /// The file's pages are the weights: nothing is read before it is used, and processes that map one file share its pages.
    /// The file stays open until the softmax is disposed.
    /// </summary>
    On,
}
