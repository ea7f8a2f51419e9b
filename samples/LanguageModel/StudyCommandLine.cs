using System.CommandLine;

namespace LanguageModelSample;

/// <summary>The options of the study on the command line.</summary>
internal sealed class StudyCommandLine
{
    private static readonly string s_results = Path.Combine("artifacts", "language-model-study.jsonl");

    private readonly Option<bool> _study = new("--study") { Description = "Instead of all that: train adaptive and full softmax to the end of the same schedule, with several seeds and rates, and compare them (docs/quality.md). It takes hours; --quick makes it minutes that show nothing." };
    private readonly Option<int?> _steps = new("--study-steps") { Description = "The steps of each of its training runs, 10,000 if omitted.", HelpName = "N" };
    private readonly Option<int?> _seeds = new("--study-seeds") { Description = "Its seeds, 3 if omitted.", HelpName = "N" };
    private readonly Option<double[]?> _rates = new("--study-rates") { Description = "The peak learning rates of which each softmax has its best one; 0.04 0.08 0.16 if omitted.", HelpName = "RATE", AllowMultipleArgumentsPerToken = true };
    private readonly Option<string> _results = new("--study-results") { Description = "Where each run's figures are added; runs that are there are not done again.", HelpName = "FILE", DefaultValueFactory = _ => s_results };

    public StudyCommandLine()
    {
        foreach (var option in new[] { _steps, _seeds })
        {
            option.Validators.Add(result =>
            {
                if (result.GetValueOrDefault<int?>() < 1) result.AddError($"{option.Name} must be at least 1.");
            });
        }

        _rates.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<double[]?>() is { } rates && (rates.Length == 0 || !rates.All(rate => rate is > 0 and < double.PositiveInfinity))) result.AddError("--study-rates must be numbers more than 0.");
        });
    }

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _study, _steps, _seeds, _rates, _results }) command.Options.Add(option);
    }

    /// <summary>The study that the command line asks for; null for none.</summary>
    public StudyOptions? Read(ParseResult parsed, bool isQuick)
    {
        if (!parsed.GetValue(_study)) return null;
        var path = parsed.GetRequiredValue(_results);
        var options = isQuick ? StudyOptions.Quick(path) : new StudyOptions { ResultsPath = path };
        return options with
        {
            Steps = parsed.GetValue(_steps) ?? options.Steps,
            Seeds = parsed.GetValue(_seeds) ?? options.Seeds,
            Rates = parsed.GetValue(_rates) is { Length: > 0 } rates ? rates : options.Rates,
        };
    }
}
