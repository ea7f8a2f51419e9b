namespace AdaptiveSoftmax.Benchmarks;

/// <summary>What the generator costs at an edit of user code, with a whole vocabulary in the project.</summary>
internal sealed class GenerateEditComparison : IComparison
{
    public string Name => "generate-edit";

    public string Description => "Generation after an edit elsewhere in a program with the 200,019 tokens of o200k_base, in milliseconds.";

    public double Run(ComparisonSession session)
    {
        var program = new GeneratorProgram();
        program.Generate();
        var measurements = session.Measure([new Contender("generation after an edit", program.Edit)]);
        session.Print("edit", 1, measurements);
        return measurements[0].Median;
    }
}
