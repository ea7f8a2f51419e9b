using System.Diagnostics;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>The generator as an editor drives it: edit after edit of a program with three large vocabularies.</summary>
internal sealed class GenerateSessionComparison : IComparison
{
    private const int Classes = 3;
    private const int Edits = 200;

    public string Name => "generate-session";

    public string Description => "200 edits of a program with three classes of 200,019 tokens each: time and memory; milliseconds an edit, median.";

    public double Run(ComparisonSession session)
    {
        NothingIsRecomputed();
        var before = Live();
        var program = new GeneratorProgram(Classes);
        var clock = Stopwatch.StartNew();
        program.Generate();
        session.Note($"first generation: {clock.Elapsed.TotalMilliseconds:N0} ms, {program.GeneratedLength:N0} characters");
        var generated = Live();
        (string Name, Func<GeneratorProgram, long> Do, List<double> Times)[] kinds = [.. Kinds.Select(kind => (kind.Name, kind.Do, new List<double>()))];
        var allocated = GC.GetTotalAllocatedBytes();
        for (var edit = 0; edit < Edits; edit++)
        {
            session.Cancellation.ThrowIfCancellationRequested();
            clock.Restart();
            kinds[edit % kinds.Length].Do(program);
            kinds[edit % kinds.Length].Times.Add(clock.Elapsed.TotalMilliseconds);
        }

        allocated = GC.GetTotalAllocatedBytes() - allocated;
        var after = Live();
        Measurement all = new($"{Edits} edits", [.. kinds.SelectMany(kind => kind.Times).Order()]);
        session.Print("edit", 1, [all, .. kinds.Select(kind => new Measurement(kind.Name, [.. kind.Times.Order()]))]);
        session.Note($"memory: {(generated - before) / 1e6:N1} MB after the first generation, {(after - before) / 1e6:N1} MB after the edits, of which each allocated {allocated / 1e3 / Edits:N1} kB");
        GC.KeepAlive(program);
        return all.Median;
    }

    private static (string Name, Func<GeneratorProgram, long> Do)[] Kinds =>
        [("of another file", program => program.Edit()), ("in a class's file", program => program.EditClass()), ("a file more or less", program => program.AddOrRemoveFile())];

    // By the reasons that the compiler gives for each step. Keeping them costs memory, so they are not kept where that is measured.
    private static void NothingIsRecomputed()
    {
        var program = new GeneratorProgram(Classes, isTracked: true);
        program.Generate();
        if (!program.Recomputed.Any()) throw new InvalidOperationException("The first generation computed nothing.");
        for (var edit = 0; edit < Edits; edit++)
        {
            Kinds[edit % Kinds.Length].Do(program);
            if (program.Recomputed.FirstOrDefault() is { } step) throw new InvalidOperationException($"Edit {edit}, {Kinds[edit % Kinds.Length].Name}, made the generator compute '{step}' again.");
        }
    }

    private static long Live() => GC.GetTotalMemory(forceFullCollection: true);
}
