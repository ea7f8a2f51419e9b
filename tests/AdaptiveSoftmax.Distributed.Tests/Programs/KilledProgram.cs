using System.Globalization;

namespace AdaptiveSoftmax.Distributed.Tests;

/// <summary>A run that saves itself all the time and goes on where its file is, for a test that kills its ranks.</summary>
internal static class KilledProgram
{
    public const int StepsBetweenSaves = 3;

    /// <summary>Goes on with the run in a folder, where each rank leaves its process id, and tells the bits of the weights at its end.</summary>
    public static string Run(Collectives collectives, string folder, int steps, bool isSlow)
    {
        File.WriteAllText(Path.Combine(folder, FormattableString.Invariant($"{collectives.Rank}.pid")), Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
        var path = Path.Combine(folder, "run.safetensors");
        using var softmax = VocabularyProgram.Create(collectives);
        using var optimizer = new AdamW(0.01) { Threads = 1 };
        var checkpoint = new VocabularyCheckpoint(softmax, null, optimizer);
        if (File.Exists(path)) checkpoint.Restore(path);
        while (checkpoint.Step < steps)
        {
            VocabularyProgram.Step(softmax, optimizer, (int)checkpoint.Step, [], []);
            checkpoint.Step++;
            checkpoint.Strings["step"] = checkpoint.Step.ToString(CultureInfo.InvariantCulture);
            if (checkpoint.Step % StepsBetweenSaves == 0) checkpoint.Save(path);
            if (isSlow) Thread.Sleep(20);
        }

        return VocabularyProgram.Digest<float>(VocabularyProgram.Weights(collectives, softmax));
    }
}
