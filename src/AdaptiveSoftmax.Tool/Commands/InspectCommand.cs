using System.CommandLine;
using System.Globalization;
using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Tool.Weights;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary><c>adaptive-softmax inspect</c>: what a file of weights holds.</summary>
internal static class InspectCommand
{
    public const string Name = "inspect";

    public static IReadOnlyList<Example> Examples { get; } =
    [
        new("See the tensors of a file, and the adaptive softmax among them", "inspect model.pt"),
        new("Ask whether it fits a spec", "inspect model.pt --spec news.softmax.json"),
        new("The same of a safetensors file", "inspect model.safetensors --spec news.softmax.json"),
    ];

    public static Command Create(ToolConsole console)
    {
        var input = new Argument<string>("FILE") { Description = "The weights: safetensors, what torch.save wrote, of which nothing is run, the index of a model in several files, or its folder." };
        var spec = new Option<string?>("--spec") { Description = "A spec to compare with; the exit code is 1 unless a softmax of the file fits it.", HelpName = "FILE" };
        var values = new Option<bool>("--values") { Description = "Look for NaN and infinities in all values; without it, in the first thousand million." };
        var command = new Command(Name, "Shows what a file of weights holds: its tensors, its adaptive softmax or dense head, their sizes and the fingerprint, and which values are not finite.") { input, spec, values };
        command.SetAction((parsed, cancellationToken) => Task.Run(() => Run(parsed.GetRequiredValue(input), parsed.GetValue(spec), parsed.GetValue(values), console, cancellationToken), CancellationToken.None));
        return command;
    }

    private static int Run(string path, string? spec, bool readsAll, ToolConsole console, CancellationToken cancellationToken)
    {
        var definition = spec is null ? null : SpecFile.Read(spec, cancellationToken);
        InputFile.CheckWeights(path);
        using var file = WeightsFile.Open(path);
        cancellationToken.ThrowIfCancellationRequested();
        var output = console.Output.Profile.Out.Writer;
        output.WriteLine($"Format: {file.Format}");
        WriteTensors(output, file);
        FiniteReport.Write(output, file, readsAll ? long.MaxValue : FiniteReport.DefaultLimit, cancellationToken);

        var mark = FileIdentity.Find(file);
        var isNamed = DraftReport.Write(output, file);
        if (mark is not null) output.WriteLine($"Fingerprint: {Excerpt.Name(mark.Fingerprint)}, of the vocabulary {Excerpt.Name(mark.VocabularyFingerprint)}.");
        else if (!isNamed) output.WriteLine("Fingerprint: none, so the file does not say which vocabulary its classes are.");
        foreach (var step in SoftmaxMigration.ReadChain(file)) output.WriteLine(DescribeStep(step));
        if (QuantizedReport.Find(file) is { } quantized)
            return QuantizedReport.Write(output, file, quantized, spec, definition, cancellationToken) ? ExitCode.Success : ExitCode.Failure;

        var found = SoftmaxSources.FindAll(file);
        if (found.Count == 0) output.WriteLine("Adaptive softmax: none is known by the names of the tensors.");
        var fits = DenseHeadReport.Write(output, file, found.Count > 0, spec, definition);
        foreach (var source in found)
        {
            output.WriteLine();
            output.WriteLine($"Adaptive softmax: {source.Description}, prefix '{Excerpt.Name(source.Tensors.Prefix)}'");
            fits |= WriteSoftmax(output, source, mark, spec, definition);
        }

        return definition is null || fits ? ExitCode.Success : ExitCode.Failure;
    }

    private static string DescribeStep(MigrationStep step)
    {
        var from = step.From.Length == 0 ? "a dense head" : Excerpt.Name(step.From);
        var polished = step.PolishSteps == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $", polished in {step.PolishSteps:n0} steps");
        return $"Migrated: {Excerpt.Name(step.Job)} from {from} to {Excerpt.Name(step.To)}{polished}.";
    }

    // Row by row, since a file may have a hundred thousand tensors.
    private static void WriteTensors(TextWriter output, WeightsFile file)
    {
        const string Type = "type";
        const string Tensor = "tensor";
        var nameWidth = file.Tensors.Select(tensor => Excerpt.Name(tensor.Name).Length).Append(Tensor.Length).Max();
        var typeWidth = file.Tensors.Select(tensor => DescribeType(tensor).Length).Append(Type.Length).Max();
        output.WriteLine($"  {Tensor.PadRight(nameWidth)} | {Type.PadRight(typeWidth)} | shape");
        output.WriteLine($"  {new string('-', nameWidth)} | {new string('-', typeWidth)} | -----");
        foreach (var tensor in file.Tensors)
            output.WriteLine($"  {Excerpt.Name(tensor.Name).PadRight(nameWidth)} | {DescribeType(tensor).PadRight(typeWidth)} | {WeightsText.Shape(tensor.Shape)}");
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{file.Tensors.Count:n0} tensors, {file.Tensors.Sum(tensor => (double)tensor.Count):n0} values."));
    }

    private static string DescribeType(WeightsTensor tensor) =>
        SafetensorsTypes.FindBits(tensor.Type) > 0 ? tensor.Type : $"{Excerpt.Name(tensor.Type)} (unknown)";

    private static bool WriteSoftmax(TextWriter output, SoftmaxSource source, IdentityMetadata? mark, string? spec, SoftmaxDefinition? definition)
    {
        SoftmaxLayout layout;
        try
        {
            layout = source.Check(new ConvertOptions(Cutoffs(definition), definition?.Layout.HasHeadBias));
        }
        catch (ToolException exception)
        {
            output.WriteLine($"  {exception.Message}");
            return false;
        }

        output.WriteLine($"  {FileIdentity.Describe(layout)}");
        if (source is not PyTorchSource) output.WriteLine($"  adaptive-softmax convert turns it into this project's layout{(source is TransformerXlSource ? $" with --from {TransformerXlSource.Reversed} or --from {TransformerXlSource.InOrder}" : "")}.");
        if (definition is null) return false;
        var differences = FileIdentity.Compare(mark, layout, definition);
        output.WriteLine(differences.Count > 0
            ? $"  Does not fit {Excerpt.Line(spec)}: {string.Join("; ", differences)}."
            : mark is null ? $"  Has the sizes of {Excerpt.Line(spec)}; nothing says whether its classes are that vocabulary's." : $"  Fits {Excerpt.Line(spec)}, of the same fingerprint.");
        return differences.Count == 0;
    }

    internal static IReadOnlyList<int>? Cutoffs(SoftmaxDefinition? definition) => definition?.Layout.Tails.Select(tail => tail.Start).ToArray();
}
