using System.Globalization;

namespace AdaptiveSoftmax.Distributed;

// Steps, which no rank takes alone.
public sealed partial class VocabularyParallel
{
    /// <summary>
    /// Scales the gradients of all ranks by one factor where their joint Euclidean norm is above <paramref name="maxNorm"/>, as
    /// <see cref="GradientClipping.ClipByGlobalNorm"/> does; what every rank has counts once.
    /// </summary>
    /// <param name="maxNorm">The largest norm to let through; infinity only measures.</param>
    /// <param name="body">Further parameters that every rank has, to the same bits; null for none.</param>
    /// <returns>The norm before scaling, on all ranks to the same bits. Where it is not finite the gradients stay as they are.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxNorm"/> is negative or not a number.</exception>
    /// <exception cref="ObjectDisposedException">A parameter is disposed.</exception>
    /// <exception cref="RankMismatchException">Another rank makes another call.</exception>
    public double ClipByGlobalNorm(double maxNorm, IEnumerable<Parameter>? body = null)
    {
        if (!(maxNorm >= 0)) throw new ArgumentOutOfRangeException(nameof(maxNorm), maxNorm.ToString(CultureInfo.InvariantCulture), "The largest norm must be a number that is not negative.");
        ThrowIfBusy();
        Parameter[] bodyParameters = [.. (body ?? []).Distinct()];
        double[] cut = [.. _layers.Tensors.Where(tensor => tensor.Cut is not null).SelectMany(tensor => tensor.Own).Select(SumSquares)];
        var all = _collectives.AllGatherUneven<double>(cut, out var lengths);

        // In the order of tensors and blocks, whoever has them.
        var next = new int[lengths.Length];
        for (var rank = 1; rank < next.Length; rank++) next[rank] = next[rank - 1] + lengths[rank - 1];
        var squares = 0.0;
        foreach (var tensor in _layers.Tensors)
        {
            if (tensor.Cut is null) squares += SumSquares(tensor.Own[0]);
            for (var rank = 0; rank < next.Length && tensor.Cut is not null; rank++)
            {
                var (first, end) = tensor.Cut.Tree.LeavesOf(rank);
                for (var block = first; block < end; block++) squares += all[next[rank]++];
            }
        }

        foreach (var parameter in bodyParameters) squares += SumSquares(parameter);
        var norm = Math.Sqrt(squares);
        if (double.IsFinite(norm)) GradientClipping.Scale(_parameters.Concat(bodyParameters).Where(parameter => parameter.HasGradient), norm, maxNorm, Options.Threads);
        return norm;
    }

    /// <summary>
    /// Takes a step on every rank, each with its rows, after comparing the optimizers: kind, settings and steps must be the same on
    /// all ranks. What a rank's optimizer keeps is the state of that rank's rows.
    /// </summary>
    /// <param name="optimizer">This rank's optimizer.</param>
    /// <param name="body">Further parameters that every rank has, to the same bits; null for none.</param>
    /// <exception cref="NotFiniteNumberException">A gradient is not finite on this rank or another; nothing was changed on any.</exception>
    /// <exception cref="ObjectDisposedException">A parameter or the optimizer is disposed.</exception>
    /// <exception cref="RankMismatchException">The optimizers differ, or another rank makes another call; the message names what, and the values.</exception>
    public void Step(Optimizer optimizer, IEnumerable<Parameter>? body = null)
    {
        List<Parameter> parameters = [.. _parameters, .. body ?? []];
        var fault = FindFault(optimizer, parameters, out var rank);
        if (fault is not null) throw GradientCheck.CreateFault(fault, "the step would destroy weights");
        if (rank >= 0)
            throw new NotFiniteNumberException(FormattableString.Invariant($"A gradient of rank {rank} is not finite, so the step would destroy weights. Nothing was changed; leave the batch out with {nameof(TryStep)}."));
        optimizer.Step(parameters);
    }

    /// <summary>Takes a step on every rank, as <see cref="Step"/>, or leaves the batch out on all where a gradient of one is not finite.</summary>
    /// <param name="optimizer">This rank's optimizer.</param>
    /// <param name="body">Further parameters that every rank has, to the same bits; null for none.</param>
    /// <returns>Whether the step was taken.</returns>
    /// <exception cref="ObjectDisposedException">A parameter or the optimizer is disposed.</exception>
    /// <exception cref="RankMismatchException">The optimizers differ, or another rank makes another call; the message names what, and the values.</exception>
    public bool TryStep(Optimizer optimizer, IEnumerable<Parameter>? body = null)
    {
        List<Parameter> parameters = [.. _parameters, .. body ?? []];
        FindFault(optimizer, parameters, out var rank);
        if (rank < 0)
        {
            optimizer.Step(parameters);
            return true;
        }

        foreach (var parameter in parameters) parameter.ZeroGradient();
        return false;
    }

    // This rank's first gradient that no step can take, and the first rank that has one.
    private Parameter? FindFault(Optimizer optimizer, List<Parameter> parameters, out int rank)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        ThrowIfBusy();
        _collectives.CheckAgreement(ReplicaFacts.Of(optimizer));
        var fault = GradientCheck.FindFault(parameters, Options.Threads);
        var faulty = new byte[_collectives.Size];
        _collectives.AllGather<byte>([fault is null ? (byte)0 : (byte)1], faulty);
        rank = Array.IndexOf(faulty, (byte)1);
        return fault;
    }

    private double SumSquares(Parameter parameter) => parameter.HasGradient ? GradientClipping.SumSquares(parameter, Options.Threads) : 0;
}
