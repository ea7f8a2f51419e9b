using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>Writes a plan into a spec.</summary>
internal static class PlanWriter
{
    public static WrittenSpec Write(OutputPath file, PlannedSpec planned, PlanOutcome outcome, TokenTableReadResult table, OutputPath? newTable, ToolConsole console, CancellationToken cancellationToken)
    {
        var plan = outcome.Plan;
        var spec = new SoftmaxSpec
        {
            HiddenSize = plan.Layout.HiddenSize,
            TableFile = SpecFile.NameTable(file.Path, table.File),
            Cutoffs = plan.Cutoffs,
            DivValue = outcome.Options.DivValue,
            Projections = outcome.Options.Projections,
            HeadBias = outcome.Options.HasHeadBias,
            TailPrecisions = new EquatableArray<WeightPrecision>(new WeightPrecision[plan.Cutoffs.Count]),
        };
        var notes = new List<string>();
        var text = planned.Write(spec, notes);
        var definition = planned.Check(text, table);
        cancellationToken.ThrowIfCancellationRequested();
        // The table first: a spec never names one that is not there.
        if (newTable is not null)
        {
            AtomicFile.WriteText(newTable.Path, writer => TokenTableWriter.Write(writer, table.Table!, cancellationToken), cancellationToken);
            newTable.Remark(console);
        }

        AtomicFile.WriteText(file.Path, writer => writer.Write(text), cancellationToken);
        foreach (var note in notes) console.WriteNote(note);
        file.Remark(console);
        return new WrittenSpec(file.Path, definition.Fingerprint, planned.Kept, newTable?.Path);
    }
}
