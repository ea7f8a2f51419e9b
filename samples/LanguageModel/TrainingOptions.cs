using System.CommandLine;
using AdaptiveSoftmax;

namespace LanguageModelSample;

/// <summary>The options of a training run on the command line.</summary>
internal sealed class TrainingOptions
{
    private static readonly string[] s_prompts = ["Initializes a new instance of the", "method System.String.IndexOf(", "type System.Collections.Generic."];

    private readonly Option<string[]> _corpus = new("--corpus") { Description = "Files and folders to learn from: plain text, and XML documentation where a file's name ends in .xml. The .NET SDK's API reference if omitted.", HelpName = "PATH", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [] };
    private readonly Option<double?> _seconds = new("--seconds") { Description = "How long to train, 70 if omitted. The full softmax gets another third.", HelpName = "N" };
    private readonly Option<bool> _quick = new("--quick") { Description = "Train for 10 seconds: a first look in under a minute." };
    private readonly Option<string[]> _prompt = new("--prompt") { Description = "A text for the model to continue; may be given more than once.", HelpName = "TEXT", DefaultValueFactory = _ => s_prompts };
    private readonly Option<bool> _resume = new("--resume") { Description = "Go on from the checkpoint: to the end of a run that was stopped, or for --seconds more." };
    private readonly Option<string> _checkpoint;
    private readonly Option<ulong> _seed = new("--seed") { Description = "Decides the first weights and the order of the text.", HelpName = "N", DefaultValueFactory = _ => 1 };
    private readonly Option<int> _threads = ThreadsOption.Create();

    /// <param name="checkpointPath">Where the run is saved unless the command line says otherwise.</param>
    public TrainingOptions(string checkpointPath)
    {
        _checkpoint = new("--checkpoint") { Description = "Where the run is saved, every half minute, at the end, and on Ctrl-C.", HelpName = "PATH", DefaultValueFactory = _ => checkpointPath };
        _seconds.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<double?>() is not (null or > 0 and < double.PositiveInfinity)) result.AddError("--seconds must be a number more than 0.");
        });
        _resume.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<bool>() && result.GetValue(_checkpoint) is { } path && !File.Exists(path)) result.AddError($"There is no checkpoint at {path} to resume from; train without --resume first, or name it with --checkpoint.");
        });
    }

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _quick, _seconds, _corpus, _prompt, _resume, _checkpoint, _seed, _threads }) command.Options.Add(option);
    }

    /// <summary>What the command line asks for.</summary>
    public RunOptions Read(ParseResult parsed)
    {
        var training = parsed.GetValue(_seconds) ?? (parsed.GetValue(_quick) ? 10 : 70);
        return new RunOptions
        {
            Corpus = parsed.GetRequiredValue(_corpus),
            Seconds = training,
            BaselineSeconds = training / 3,
            Prompts = parsed.GetRequiredValue(_prompt),
            Resume = parsed.GetValue(_resume),
            IsQuick = parsed.GetValue(_quick),
            CheckpointPath = parsed.GetRequiredValue(_checkpoint),
            Seed = parsed.GetValue(_seed),
            Threads = parsed.GetValue(_threads),
        };
    }
}
