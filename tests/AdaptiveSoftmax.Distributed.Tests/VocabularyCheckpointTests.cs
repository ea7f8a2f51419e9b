using System.Diagnostics;
using System.Globalization;
using AdaptiveSoftmax.Testing;

namespace AdaptiveSoftmax.Distributed.Tests;

public sealed class VocabularyCheckpointTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("distributed-files-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void ARunThatFourRanksSaved_GoesOnWithOneTwoAndThree_ToTheSameBits()
    {
        var straight = Part(1, 0, 20, null, null);
        Assert.NotEqual(straight, Part(4, 0, 10, null, "four"));
        foreach (var ranks in (int[])[1, 2, 3]) Assert.Equal(straight, Part(ranks, 10, 20, "four", null));
        Part(1, 0, 10, null, "one");
        Assert.Equal(File.ReadAllBytes(InFolder("one")), File.ReadAllBytes(InFolder("four")));
        Assert.Equal(["four", "one"], _folder.EnumerateFiles().Select(file => file.Name).Order());
    }

    [Fact]
    public void TheFile_IsThatOfAWholeLayer()
    {
        Part(3, 0, 5, null, "three");
        using var whole = new DynamicAdaptiveSoftmax(VocabularyProgram.Layout, seed: 1);
        using var optimizer = new AdamW(0.5);
        var checkpoint = new Checkpoint(whole, null, optimizer);
        checkpoint.Restore(InFolder("three"));
        Assert.Equal(5, checkpoint.Step);
        Assert.Equal("here", checkpoint.Strings["where"]);
        Assert.Equal(0.01, optimizer.LearningRate);
        checkpoint.Save(InFolder("whole"));
        Assert.Equal(File.ReadAllBytes(InFolder("whole")), File.ReadAllBytes(InFolder("three")));
        ThreadCollectives.Run(2, collectives =>
        {
            using var softmax = VocabularyProgram.Create(collectives);
            using var own = new AdamW(0.01);
            new VocabularyCheckpoint(softmax, null, own).Restore(InFolder("whole"));
            Assert.Equal(whole.Parameters.SelectMany(parameter => parameter.Values.ToArray()), VocabularyProgram.Weights(collectives, softmax));
        });
    }

    [Fact]
    public void GroupsAndBodies_AreKept()
    {
        ThreadCollectives.Run(2, collectives =>
        {
            using var softmax = VocabularyProgram.Create(collectives);
            using var body = new Parameter("body", 3, 4);
            using var optimizer = new AdamW(0.01);
            optimizer.AddGroup(softmax.Parameters.Where(parameter => parameter.IsVector), learningRateFactor: 2, weightDecay: 0);
            body.TouchGradient().Fill(1);
            var (hidden, targets) = VocabularyProgram.Batch(0);
            softmax.Backward(hidden, targets, new float[hidden.Length]);
            softmax.Step(optimizer, [body]);
            new VocabularyCheckpoint(softmax, [body], optimizer).Save(InFolder("groups"));
        });
        ThreadCollectives.Run(3, collectives =>
        {
            using var softmax = VocabularyProgram.Create(collectives);
            using var body = new Parameter("body", 3, 4);
            using var optimizer = new AdamW(0.01);
            new VocabularyCheckpoint(softmax, [body], optimizer).Restore(InFolder("groups"));
            Assert.NotEqual(0, body.Values[0]);
            var group = Assert.Single(optimizer.Groups);
            Assert.Equal(softmax.Parameters.Where(parameter => parameter.IsVector), group.Parameters);
        });
    }

    [Fact]
    public void NoWeightsCross_ToSaveThem()
    {
        ThreadCollectives.Run(2, collectives =>
        {
            using var softmax = VocabularyProgram.Create(collectives);
            var before = collectives.BytesReceived;
            new VocabularyCheckpoint(softmax).Save(InFolder("weights"));
            Assert.InRange(collectives.BytesReceived - before, 1, 2000);
            Assert.InRange(new FileInfo(InFolder("weights")).Length, 20_000, long.MaxValue);
        });
    }

    [Fact]
    public void AnOrdinaryFile_RefusesTheRowsOfOneRank()
    {
        ThreadCollectives.Run(2, collectives =>
        {
            using var softmax = VocabularyProgram.Create(collectives);
            var exception = Assert.Throws<InvalidOperationException>(() => new Checkpoint(softmax.Parameters).Save(InFolder("part")));
            Assert.Equal("Of 'head.weight' this process has some of the rows, and others have the rest; only all of them together can write the file.", exception.Message);
        });
    }

    [Fact]
    public void RanksThatSaveOtherThings_AreRefused_AndTheOldFileStays()
    {
        File.WriteAllText(InFolder("old"), "old");
        var exception = Assert.Throws<RankMismatchException>(() => ThreadCollectives.Run(2, collectives =>
        {
            using var softmax = VocabularyProgram.Create(collectives);
            new VocabularyCheckpoint(softmax) { Step = collectives.Rank }.Save(InFolder("old"));
        }));
        Assert.Contains("the checksum of the checkpoint's names, sizes, steps and strings is ", exception.Message, StringComparison.Ordinal);
        Assert.Equal("old", File.ReadAllText(InFolder("old")));
        Assert.Single(_folder.EnumerateFiles());
    }

    [Fact]
    public void RanksThatRestoreOtherFiles_AreRefused()
    {
        Part(1, 0, 2, null, "0");
        Part(1, 0, 3, null, "1");
        var exception = Assert.Throws<RankMismatchException>(() => ThreadCollectives.Run(2, collectives =>
        {
            using var softmax = VocabularyProgram.Create(collectives);
            new VocabularyCheckpoint(softmax).Restore(InFolder(collectives.Rank.ToString(CultureInfo.InvariantCulture)));
        }));
        Assert.Contains("the step of the file is 3 on rank 1 and 2 on rank 0", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ARankThatFailsWhileItWrites_LeavesTheOldFile()
    {
        File.WriteAllText(InFolder("old"), "old");
        Assert.Throws<InvalidOperationException>(() => ThreadCollectives.Run(2, collectives =>
        {
            using var softmax = VocabularyProgram.Create(collectives);
            using var content = new Checkpoint(softmax.Parameters).CreateContent(WeightsFormat.Safetensors);
            if (collectives.Rank == 0) SharedFile.Write(collectives, InFolder("old"), content);
            SharedFile.CheckAgreement(collectives, content);
            collectives.AllGatherUneven<byte>([], out _);
            throw new InvalidOperationException("The disk of rank 1 is full.");
        }));
        Assert.Equal("old", File.ReadAllText(InFolder("old")));
        Assert.Single(_folder.EnumerateFiles());
    }

    /// <summary>How often ranks are killed.</summary>
    public static TheoryData<string, int> Kills { get; } = new() { { "openmpi", Nightly.Count(2, 100) }, { "mpich", Nightly.Count(1, 100) } };

    [Theory]
    [MoreAtNight]
    [MemberData(nameof(Kills))]
    public async Task ARankThatIsKilledAtAnyMoment_LosesNothingButStepsSinceTheLastSave(string launcher, int kills)
    {
        // Each job comes a few steps further before it is killed.
        var steps = 60 + (20 * kills);
        var straight = "";
        var folder = Directory.CreateDirectory(InFolder("straight")).FullName;
        ThreadCollectives.Run(1, collectives => straight = KilledProgram.Run(collectives, folder, steps, isSlow: false));

        folder = Directory.CreateDirectory(InFolder("killed")).FullName;
        var path = Path.Combine(folder, "run.safetensors");
        var random = new Random(launcher.Length);
        var reached = 0;
        for (var kill = 0; kill < kills; kill++)
        {
            foreach (var old in Directory.EnumerateFiles(folder, "*.pid")) File.Delete(old);
            var job = MpiJob.RunAsync(launcher, 2, "killed", folder, $"{steps}", "slow");

            // At the first save of this job at the earliest, or there is nothing that could be lost.
            var (victim, saved) = (random.Next(2), File.Exists(path) ? File.GetLastWriteTimeUtc(path) : default);
            while (!job.IsCompleted && !(File.Exists(path) && File.GetLastWriteTimeUtc(path) > saved)) await Task.Delay(5, TestContext.Current.CancellationToken);
            await Task.Delay(random.Next(60), TestContext.Current.CancellationToken);
            var id = int.Parse(await File.ReadAllTextAsync(Path.Combine(folder, $"{victim}.pid"), TestContext.Current.CancellationToken), CultureInfo.InvariantCulture);
            using (var process = Process.GetProcessById(id)) process.Kill();
            // MPICH's launcher exits with 0 after one such kill in eight, without a word.
            var exitCode = (await job).ExitCode;
            if (launcher == "openmpi") Assert.NotEqual(0, exitCode);

            // The file is whole, no older than before, and not that of a run that came to its end.
            using var file = SafetensorsReader.Open(path);
            var step = int.Parse(file.Metadata["user.step"], CultureInfo.InvariantCulture);
            Assert.True(step > reached && step < steps - KilledProgram.StepsBetweenSaves && step % KilledProgram.StepsBetweenSaves == 0, $"The file is of step {step} after one of step {reached}.");
            reached = step;
        }

        var last = await MpiJob.RunAsync(launcher, 2, "killed", folder, $"{steps}");
        Assert.True(last.ExitCode == 0, last.Errors);
        Assert.Equal(straight, last.Output);
    }

    private string InFolder(string name) => Path.Combine(_folder.FullName, name);

    private string Part(int ranks, int first, int last, string? from, string? to)
    {
        var digests = new string[ranks];
        ThreadCollectives.Run(ranks, collectives =>
        {
            using var softmax = VocabularyProgram.Create(collectives, seed: from is null ? 4UL : 9UL);
            using var optimizer = new AdamW(0.01) { Threads = 1 };
            var checkpoint = new VocabularyCheckpoint(softmax, null, optimizer);
            if (from is not null) checkpoint.Restore(InFolder(from));
            Assert.Equal(first, checkpoint.Step);
            for (; checkpoint.Step < last; checkpoint.Step++) VocabularyProgram.Step(softmax, optimizer, (int)checkpoint.Step, [], []);
            checkpoint.Strings["where"] = "here";
            if (to is not null) checkpoint.Save(InFolder(to));
            digests[collectives.Rank] = VocabularyProgram.Digest<float>(VocabularyProgram.Weights(collectives, softmax));
        });
        return Assert.Single(digests.Distinct());
    }
}
