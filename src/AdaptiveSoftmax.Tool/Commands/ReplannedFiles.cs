using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>The spec that <c>drift --replan</c> writes, and the token table beside it: counted text, or the order that keeps clusters.</summary>
internal sealed class ReplannedFiles
{
    private readonly OutputPath _spec;
    private readonly OutputPath? _table;
    private readonly PlannedSpec _planned;

    private ReplannedFiles(OutputPath spec, OutputPath? table, PlannedSpec planned) => (_spec, _table, _planned) = (spec, table, planned);

    /// <summary>Checks that they can be written, before a corpus is counted.</summary>
    /// <exception cref="ToolException">One cannot, or another file would be lost.</exception>
    public static ReplannedFiles Check(string path, CorpusRequest request, bool isAfresh, bool isForced)
    {
        var spec = OutputPath.Check(path, OutputKind.Spec, isForced);
        var table = isAfresh && request.Paths.Any(input => DriftCommand.IsTable(input.Path)) ? null : OutputPath.Check(TableBeside(path), OutputKind.TokenTable, isForced);
        return new ReplannedFiles(spec, table, PlannedSpec.Open(path, isForced));
    }

    /// <summary>Both, the table where it is written.</summary>
    public IEnumerable<OutputPath?> Outputs => [_spec, _table];

    /// <exception cref="ToolException">One of them is read.</exception>
    public void RefuseInputs(IReadOnlyList<string?> inputs)
    {
        _spec.RefuseInputs(inputs);
        _table?.RefuseInputs(inputs);
    }

    /// <summary>Writes them.</summary>
    public WrittenSpec Write(DriftOutcome outcome, ToolConsole console, CancellationToken cancellationToken)
    {
        var replan = outcome.Replan!;
        var table = _table is null ? outcome.Observed : outcome.Observed with { File = _table.Path, Table = replan.Table };
        return PlanWriter.Write(_spec, _planned, new PlanOutcome(replan.Plan, replan.Options), table, _table, console, cancellationToken);
    }

    private static string TableBeside(string spec)
    {
        const string Suffix = ".softmax.json";
        var stem = spec.EndsWith(Suffix, StringComparison.OrdinalIgnoreCase) ? spec[..^Suffix.Length] : spec;
        return stem + ".tokens";
    }
}
