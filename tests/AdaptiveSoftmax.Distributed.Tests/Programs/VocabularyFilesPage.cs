namespace AdaptiveSoftmax.Distributed.Tests;

/// <summary>The third program of docs/distributed.md.</summary>
internal static class VocabularyFilesPage
{
    /// <summary>Goes on with the run in a file, saves it, and tells the step that it began at.</summary>
    public static long Run(VocabularyParallel softmax, Optimizer optimizer, string path)
    {
        // Page
        var checkpoint = new VocabularyCheckpoint(softmax, body: null, optimizer);
        if (File.Exists(path)) checkpoint.Restore(path);     // each rank reads its own rows
        var first = checkpoint.Step;
        for (; checkpoint.Step < first + 10; checkpoint.Step++) TakeStep();
        checkpoint.Save(path);                               // all ranks
        // End of page
        return first;

        void TakeStep() => VocabularyProgram.Step(softmax, optimizer, (int)checkpoint.Step, [], []);
    }
}
