namespace AdaptiveSoftmax;

/// <summary>
/// Gates that give each cluster the share of the mass that it should have. The log of a cluster's mass is linear in a state only
/// nearly, and its exponential is on average more than that of its fit; so gates minimise the divergence of the shares themselves,
/// which is a logistic regression, by Newton's method, each step by conjugate gradients.
/// </summary>
internal sealed class GateFit
{
    // Most of the way is made in three rounds; a step that is no better at 1/16 is not worth more.
    private const int Rounds = 6, Halvings = 4, MostGradients = 30;
    private const double SmallEnough = 0.05, LeastGain = 1e-5;

    private readonly WorkerPool _pool;
    private readonly FitStates _states;
    private readonly bool _withOffsets;
    private readonly double[] _rest;
    private readonly double[][] _shares, _starts, _scores, _vectors;

    /// <param name="pool">The threads.</param>
    /// <param name="states">The states.</param>
    /// <param name="rest">The log-sum-exp of the rows that are no gates here, for each state, [count].</param>
    /// <param name="restMass">The log of the mass that these should have, in any scale, [count].</param>
    /// <param name="masses">That of each cluster, in the same scale, [gates][count].</param>
    /// <param name="gates">The gates to start from, which the fit stays near to where states say nothing.</param>
    /// <param name="withOffsets">Whether gates have an offset; theirs are 0 otherwise.</param>
    public GateFit(WorkerPool pool, FitStates states, double[] rest, double[] restMass, double[][] masses, IReadOnlyList<(double[] Vector, double Offset)> gates, bool withOffsets)
    {
        (_pool, _states, _rest, _withOffsets) = (pool, states, rest, withOffsets);
        _shares = [.. masses.Select(mass => (double[])mass.Clone())];
        for (var i = 0; i < states.Count; i++)
        {
            var total = restMass[i];
            foreach (var mass in masses) total = DoubleVectors.AddLogs(total, mass[i]);
            foreach (var share in _shares) share[i] = Math.Exp(share[i] - total);
        }

        // Of centred states, so that an offset and a vector do not pull at each other.
        _starts = [.. gates.Select(gate => (double[])[.. gate.Vector, withOffsets ? gate.Offset + DoubleVectors.Dot(gate.Vector, states.Mean) : 0])];
        _vectors = [.. _starts.Select(start => (double[])start.Clone())];
        _scores = [.. _vectors.Select(ScoresOf)];
    }

    /// <summary>Fits all gates in turn, until that gains nothing.</summary>
    /// <param name="cancellationToken">Ends it between two steps.</param>
    public IReadOnlyList<(double[] Vector, double Offset)> Run(CancellationToken cancellationToken)
    {
        var last = Divergence(0, _scores[0]);
        for (var round = 0; round < Rounds; round++)
        {
            for (var gate = 0; gate < _vectors.Length; gate++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                Step(gate);
            }

            var now = Divergence(0, _scores[0]);
            if (last - now < LeastGain) break;
            last = now;
        }

        return [.. _vectors.Select(vector => (vector[..^1], _withOffsets ? vector[^1] - DoubleVectors.Dot(vector.AsSpan(..^1), _states.Mean) : 0))];
    }

    private void Step(int gate)
    {
        var count = _states.Count;
        var (errors, curvatures) = (new double[count], new double[count]);
        var ridge = 0.0;
        for (var i = 0; i < count; i++)
        {
            var share = Math.Exp(_scores[gate][i] - Total(i));
            errors[i] = (share - _shares[gate][i]) / count;
            curvatures[i] = share * (1 - share) / count;
            ridge += curvatures[i];
        }

        var scale = Math.Max(ridge, double.Epsilon);
        ridge = scale * FitStates.FitRidge * _states.Moment.Trace() / _states.Size;
        var vector = _vectors[gate];
        var right = Accumulate(errors);
        for (var j = 0; j < right.Length - 1; j++) right[j] = -right[j] - (ridge * (vector[j] - _starts[gate][j]));
        right[^1] = -right[^1];
        var direction = Solve(curvatures, ridge, scale, right);
        var (along, before) = (ScoresOf(direction), Objective(gate, vector, _scores[gate], ridge));
        var size = 1.0;
        for (var half = 0; half <= Halvings; half++, size /= 2)
        {
            var (next, scores) = ((double[])vector.Clone(), (double[])_scores[gate].Clone());
            DoubleVectors.Add(next, size, direction);
            DoubleVectors.Add(scores, size, along);
            if (Objective(gate, next, scores, ridge) >= before) continue;
            (_vectors[gate], _scores[gate]) = (next, scores);
            return;
        }
    }

    // (Σ curvature · state stateᵀ + ridge) x = right. The states' own moment is what the matrix nearly is, but for its scale.
    private double[] Solve(double[] curvatures, double ridge, double scale, double[] right)
    {
        var (solution, residual) = (new double[right.Length], (double[])right.Clone());
        var towards = Precondition(residual, scale);
        var direction = (double[])towards.Clone();
        var product = DoubleVectors.Dot(residual, towards);
        var enough = SmallEnough * SmallEnough * product;
        for (var step = 0; step < MostGradients && product > enough; step++)
        {
            var scores = ScoresOf(direction);
            for (var i = 0; i < scores.Length; i++) scores[i] *= curvatures[i];
            var image = Accumulate(scores);
            for (var j = 0; j < image.Length - 1; j++) image[j] += ridge * direction[j];
            var length = product / DoubleVectors.Dot(direction, image);
            if (!double.IsFinite(length)) break;
            DoubleVectors.Add(solution, length, direction);
            DoubleVectors.Add(residual, -length, image);
            towards = Precondition(residual, scale);
            var next = DoubleVectors.Dot(residual, towards);
            for (var j = 0; j < direction.Length; j++) direction[j] = towards[j] + (next / product * direction[j]);
            product = next;
        }

        return solution;
    }

    private double[] Precondition(double[] vector, double scale)
    {
        var result = Array.ConvertAll(vector, value => value / scale);
        _states.Factor(_withOffsets).Solve(result.AsSpan(..^1));
        if (!_withOffsets) result[^1] = 0;
        return result;
    }

    private double Objective(int gate, double[] vector, double[] scores, double ridge)
    {
        var distance = 0.0;
        for (var j = 0; j < vector.Length - 1; j++) distance += Math.Pow(vector[j] - _starts[gate][j], 2);
        return Divergence(gate, scores) + (ridge / 2 * distance);
    }

    // The cross-entropy, which is the divergence and a constant.
    private double Divergence(int gate, double[] scores)
    {
        var sum = 0.0;
        for (var i = 0; i < scores.Length; i++)
        {
            var (total, rest) = (DoubleVectors.AddLogs(_rest[i], scores[i]), 1 - _shares[gate][i]);
            sum -= _shares[gate][i] * scores[i];
            for (var other = 0; other < _scores.Length; other++)
            {
                if (other == gate) continue;
                total = DoubleVectors.AddLogs(total, _scores[other][i]);
                sum -= _shares[other][i] * _scores[other][i];
                rest -= _shares[other][i];
            }

            sum += total - (rest * _rest[i]);
        }

        return sum / scores.Length;
    }

    private double Total(int state)
    {
        var total = _rest[state];
        foreach (var scores in _scores) total = DoubleVectors.AddLogs(total, scores[state]);
        return total;
    }

    // A state's product with a vector whose last component is an offset; states are centred where there is one.
    private double[] ScoresOf(double[] vector)
    {
        var scores = new double[_states.Count];
        _states.Multiply(vector.AsSpan(..^1), scores);
        if (!_withOffsets) return scores;
        var offset = vector[^1] - DoubleVectors.Dot(vector.AsSpan(..^1), _states.Mean);
        for (var i = 0; i < scores.Length; i++) scores[i] += offset;
        return scores;
    }

    // Σ factor · state, and Σ factor behind it.
    private double[] Accumulate(double[] factors)
    {
        var result = new double[_states.Size + 1];
        _states.AddUp(factors, result.AsSpan(..^1));
        if (!_withOffsets) return result;
        result[^1] = factors.Sum();
        DoubleVectors.Add(result.AsSpan(..^1), -result[^1], _states.Mean);
        return result;
    }
}
