using System.CommandLine;

namespace AdaptiveSoftmax;

/// <summary><c>--threads</c> of every program.</summary>
internal static class ThreadsOption
{
    public static Option<int> Create()
    {
        var option = new Option<int>("--threads")
        {
            Description = "The threads to compute with; the result is the same for any number.",
            HelpName = "N",
            DefaultValueFactory = _ => ThreadCount.Default,
        };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is var threads and < 1) result.AddError($"--threads is {threads}. {ThreadCount.Rule}");
        });
        return option;
    }
}
