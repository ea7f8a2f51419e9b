namespace AdaptiveSoftmax;

/// <summary>The source's scores in the places of the target's layout, which polishing learns.</summary>
internal sealed unsafe class TeacherScores(SoftmaxWeights source, TargetBuilder builder) : IDisposable
{
    private readonly SourceScores _scores = new(source, builder.AddedRows);

    /// <summary>What the source says of whole clusters in some states.</summary>
    public TeacherMasses Masses(WorkerPool pool, ReadOnlySpan<float> hidden, int count, CancellationToken cancellationToken)
    {
        var normalisers = _scores.Normalisers(pool, hidden, count, cancellationToken);
        var tails = new double[builder.TailGroups.Length][];
        for (var tail = 0; tail < tails.Length; tail++)
        {
            // A tail of new tokens alone has the mass that it was planned for, not that which its rows happen to have.
            if (builder.Changes[tail] == ClusterChange.Added) builder.PlanMass(tail, hidden, count, tails[tail] = new double[count]);
            else tails[tail] = SourceScores.AddUp(_scores.LogMasses(pool, builder.TailGroups[tail], hidden, count, normalisers, cancellationToken));
        }

        return new TeacherMasses(normalisers, tails);
    }

    /// <summary>The target's slot of a token that states name; −1 where it has none.</summary>
    public int TargetSlotOf(int id) => builder.TargetSlotOf(id);

    /// <summary>Scores of shortlist tokens, and log masses of tails, [head rows, lanes].</summary>
    public void FillHead(WorkerPool pool, Scratch scratch, float* states, int count, TeacherMasses masses, float* results, int lanes)
    {
        foreach (var group in builder.ShortlistGroups) Fill(pool, scratch, group, states, count, masses.Normalisers, results, lanes);
        for (var tail = 0; tail < masses.Tails.Length; tail++)
        {
            var row = results + ((nint)builder.Target.GateOf(tail) * lanes);
            for (var lane = 0; lane < count; lane++) row[lane] = (float)masses.Tails[tail][lane];
        }
    }

    /// <summary>Scores of a tail's members, [n, lanes].</summary>
    public void FillTail(WorkerPool pool, Scratch scratch, int tail, float* states, int count, double[][] normalisers, float* results, int lanes)
    {
        foreach (var group in builder.TailGroups[tail]) Fill(pool, scratch, group, states, count, normalisers, results, lanes);
    }

    public void Dispose() => _scores.Dispose();

    private void Fill(WorkerPool pool, Scratch scratch, RowGroup group, float* states, int count, double[][] normalisers, float* results, int lanes)
    {
        using var scope = scratch.Begin();
        var size = source.Layout.HiddenSize;
        var block = _scores.Scorer(group).Forward(pool, scratch, states, count, size);
        var offsets = new float[lanes];
        for (var lane = 0; lane < count && group.Origin == RowOrigin.Tail; lane++)
            offsets[lane] = (float)(_scores.Gate(group.Tail, new ReadOnlySpan<float>(states + ((nint)lane * size), size)) - normalisers[group.Tail][lane]);
        for (var i = 0; i < group.Places.Length; i++)
        {
            float* from = block.Logits + ((nint)i * lanes), to = results + ((nint)group.Places[i] * lanes);
            for (var lane = 0; lane < lanes; lane++) to[lane] = from[lane] + offsets[lane];
        }
    }
}

/// <summary>What the source says of whole clusters.</summary>
/// <param name="Normalisers">The log-sum-exp of each of the source's tails, [tails][count].</param>
/// <param name="Tails">The log of the mass that the members of each of the target's tails have, [tails][count].</param>
internal sealed record TeacherMasses(double[][] Normalisers, double[][] Tails)
{
    /// <summary>Those of some of the states.</summary>
    public TeacherMasses Select(int[] states) => new(Of(Normalisers, states), Of(Tails, states));

    private static double[][] Of(double[][] values, int[] states) => Array.ConvertAll(values, row => Array.ConvertAll(states, state => row[state]));
}
