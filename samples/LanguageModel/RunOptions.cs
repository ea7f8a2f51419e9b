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

    /// <summary>Makes the checkpoint's folder: before training, so that a path that cannot be written costs no run.</summary>
    public void CreateCheckpointFolder() => Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(CheckpointPath))!);
}
