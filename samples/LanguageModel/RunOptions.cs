namespace LanguageModelSample;

/// <summary>What the command line asks for.</summary>
internal sealed record RunOptions
{
    /// <summary>Files and folders to learn from; the .NET SDK's API reference where there are none.</summary>
    public required IReadOnlyList<string> Corpus { get; init; }

    /// <summary>How long to train the model.</summary>
    public required double Seconds { get; init; }

    /// <summary>How long to train the full softmax that it is compared with, at most.</summary>
    public required double BaselineSeconds { get; init; }

    /// <summary>What the model is to continue.</summary>
    public required IReadOnlyList<string> Prompts { get; init; }

    /// <summary>Where to compute.</summary>
    public DeviceName Device { get; init; } = new(DeviceKind.Cpu);

    public required ulong Seed { get; init; }

    public required int Threads { get; init; }

    public required string CheckpointPath { get; init; }

    public required bool Resume { get; init; }

    /// <summary>Where the states of held-out text are written, if anywhere.</summary>
    public string? StatesPath { get; init; }

    /// <summary>Of how many tokens states are written.</summary>
    public int StatesTokens { get; init; } = 8192;

    /// <summary>The states that a continuous cache keeps whose gain is measured; 0 for none.</summary>
    public int CacheStates { get; init; }

    /// <summary>The tokens that are drafted at a time where that is to be measured; 0 for none.</summary>
    public int DraftedTokens { get; init; }

    /// <summary>Whether a first look is enough.</summary>
    public bool IsQuick { get; init; }

    /// <summary>Makes the checkpoint's folder, and a file in it for a moment: before training, so that a path that cannot be written costs no run.</summary>
    /// <exception cref="IOException">The checkpoint cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The checkpoint may not be written.</exception>
    public void PrepareCheckpoint()
    {
        var path = Path.GetFullPath(CheckpointPath);
        if (Directory.Exists(path)) throw new IOException($"{CheckpointPath} is a folder; give --checkpoint the name of a file.");
        var folder = Path.GetDirectoryName(path)!;
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (IOException exception)
        {
            throw new IOException($"The run cannot be saved as {CheckpointPath}, since {folder} is no folder and cannot become one: {exception.Message} Give --checkpoint another name.", exception);
        }

        using (File.Create($"{path}.{Guid.NewGuid():n}.tmp", 1, FileOptions.DeleteOnClose))
        {
        }

        if (File.Exists(path)) using (File.Open(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete)) return;
    }
}
