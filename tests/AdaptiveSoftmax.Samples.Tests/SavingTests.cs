using System.Diagnostics;
using AdaptiveSoftmax.Vocabulary;
using LanguageModelSample;
using Spectre.Console;

namespace AdaptiveSoftmax.Samples.Tests;

/// <summary>A run that cannot be saved is told so before it begins, or goes on and tries again.</summary>
public sealed class SavingTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("adaptive-softmax-sample-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void APathThatCannotBeWritten_IsFoundBeforeTheRun()
    {
        File.WriteAllText(At("file"), "");
        Directory.CreateDirectory(At("folder"));
        Assert.ThrowsAny<IOException>(() => Options(At("file/run.safetensors")).PrepareCheckpoint());
        Assert.Contains("is a folder", Assert.ThrowsAny<IOException>(() => Options(At("folder")).PrepareCheckpoint()).Message, StringComparison.Ordinal);

        File.WriteAllText(At("run.safetensors"), "old");
        Options(At("run.safetensors")).PrepareCheckpoint();
        Options(At("new/run.safetensors")).PrepareCheckpoint();
        Assert.Equal("old", File.ReadAllText(At("run.safetensors")));
        Assert.Empty(Directory.GetFiles(At("new")));
        Assert.Equal(2, Directory.GetFiles(_folder).Length);
    }

    [Fact]
    public async Task AReadOnlyPath_EndsTheSampleAtOnce()
    {
        File.WriteAllText(At("file"), "");
        using var output = new StringWriter();
        Assert.Equal(1, await CommandLine.RunAsync(["--corpus", At("no-such-corpus"), "--checkpoint", At("file/run.safetensors")], Console(output), TestContext.Current.CancellationToken));
        Assert.Equal("", output.ToString());
    }

    [Fact]
    public void ASaveThatFails_IsSaidAndTriedAgain()
    {
        using var run = new FailingRun(failures: 2, steps: 6);
        using var output = new StringWriter();
        new TrainingLoop(run, _ => 1, Options(At("run")), Console(output)) { SecondsBetweenSaves = 0 }.Execute(CancellationToken.None);

        Assert.Equal(6, run.Step);
        Assert.Equal("6", File.ReadAllText(At("run")));
        Assert.Contains("Step 1 could not be saved: The disk is full. Training goes on", output.ToString(), StringComparison.Ordinal);
        Assert.Contains("Step 2 could not be saved", output.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("Step 3 could not be saved", output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void ALastSaveThatFails_GoesElsewhere()
    {
        using var run = new FailingRun(failures: 7, steps: 6);
        using var output = new StringWriter();
        Directory.CreateDirectory(At("rescue"));
        var loop = new TrainingLoop(run, _ => 1, Options(At("run")), Console(output)) { SecondsBetweenSaves = 0, RescueFolder = At("rescue") };
        var message = Assert.Throws<IOException>(() => loop.Execute(CancellationToken.None)).Message;
        var rescued = Assert.Single(Directory.GetFiles(At("rescue")));
        Assert.Equal("6", File.ReadAllText(rescued));
        Assert.Contains($"The disk is full. It is saved as {rescued}", message, StringComparison.Ordinal);
    }

    [Fact]
    public void ADiskThatFills_LeavesTheOldFileAndTheRunGoesOn()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "A file system in memory is mounted as on Linux.");
        Directory.CreateDirectory(At("small"));
        Assert.SkipUnless(TryStart("mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", At("small")), "Only root can mount a file system.");
        try
        {
            using var model = TinyModel.Create(1);
            using var trainer = new Trainer(model, TinyModel.CreateText(5000), seed: 1, batchSize: 8);
            File.WriteAllText(At("small/run"), "old");
            Assert.ThrowsAny<IOException>(() => trainer.Save(At("small/run")));
            Assert.Equal("old", File.ReadAllText(At("small/run")));
            Assert.Equal(At("small/run"), Assert.Single(Directory.GetFiles(At("small"))));
            trainer.Advance();
            trainer.Save(At("run"));
        }
        finally
        {
            Assert.True(TryStart("umount", At("small")));
        }
    }

    private string At(string name) => Path.Combine(_folder, name);

    private static RunOptions Options(string checkpoint) => new()
    {
        Corpus = [],
        Seconds = 1e9,
        BaselineSeconds = 1,
        Prompts = [],
        Seed = 1,
        Threads = 1,
        CheckpointPath = checkpoint,
        Resume = false,
    };

    private static IAnsiConsole Console(TextWriter output)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output), Interactive = InteractionSupport.No, Ansi = AnsiSupport.No });
        console.Profile.Width = 1000;
        return console;
    }

    private static bool TryStart(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        process.WaitForExit();
        return process.ExitCode == 0;
    }

    /// <summary>A run of some steps whose first saves fail as on a full disk.</summary>
    private sealed class FailingRun : TrainingRun
    {
        private readonly long _steps;
        private int _failures;

        public FailingRun(int failures, long steps)
            : base(seed: 1) => (_failures, _steps) = (failures, steps);

        public override int TokensPerStep => 1;

        public override SoftmaxLayout Layout { get; } = SoftmaxLayout.Create(8, 10, [5], divValue: 4);

        public override void CountTargets(Span<long> byCluster)
        {
            if (Step == _steps) Schedule = new Schedule { FallStart = 0, Start = _steps };
        }

        public override void Dispose()
        {
        }

        protected override float TakeStep(double rate) => 1;

        protected override void Write(string path, SavedRun run)
        {
            if (_failures-- > 0) throw new IOException("The disk is full.");
            File.WriteAllText(path, FormattableString.Invariant($"{run.Step}"));
        }

        protected override SavedRun Read(string path) => throw new NotSupportedException();
    }
}
