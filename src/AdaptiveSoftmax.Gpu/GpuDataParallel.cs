using System.Globalization;
using System.Runtime.InteropServices;
using ILGPU;

namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// Trains replicas of a model on the CUDA devices of many ranks, each on a part of every batch: the gradients are those of the mean
/// over the targets of all ranks, added up by NCCL on the devices. Opt-in, and not yet run on hardware, as <see cref="NcclRanks"/> is.
/// </summary>
/// <remarks>
/// A step: for some tokens the body's forward pass, <see cref="Backward(ArrayView{float}, ArrayView{int}, ArrayView{float}, LossOptions)"/> and the
/// body's backward pass, once or more; then <see cref="Reduce"/> and the optimizer's step. All ranks have the same bits afterwards.
/// Another number of ranks has others: NCCL adds up in an order of its own, where AdaptiveSoftmax.Distributed on processors does not.
/// </remarks>
public sealed class GpuDataParallel
{
    private const int FactsPerParameter = 4;

    private readonly NcclRanks _ranks;
    private readonly GpuAdaptiveSoftmax _softmax;
    private readonly GpuParameter[] _parameters;
    private double _loss;
    private double _targets;

    /// <summary>Compares the replicas: names, sizes and values of the parameters must be the same on all ranks. Waits for the device.</summary>
    /// <param name="ranks">The ranks.</param>
    /// <param name="softmax">This rank's softmax.</param>
    /// <param name="body">The parameters of what makes its hidden vectors, in the same order on each rank; null for none.</param>
    /// <exception cref="ArgumentException">A parameter is on another device than the rank's, or has a row-sparse gradient.</exception>
    /// <exception cref="InvalidOperationException">The ranks do not agree; the message names the first difference, on all ranks.</exception>
    /// <exception cref="NcclException">NCCL reports an error.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory for the gradients.</exception>
    public GpuDataParallel(NcclRanks ranks, GpuAdaptiveSoftmax softmax, IEnumerable<GpuParameter>? body = null)
    {
        ArgumentNullException.ThrowIfNull(ranks);
        ArgumentNullException.ThrowIfNull(softmax);
        (_ranks, _softmax) = (ranks, softmax);
        _parameters = [.. softmax.Parameters.Concat(body ?? []).Distinct()];
        foreach (var parameter in _parameters)
        {
            if (parameter.Accelerator != ranks.Accelerator) throw new ArgumentException($"'{parameter.Name}' is on another device than the rank's, '{ranks.Accelerator.Name}'; make all of them there.");
            if (parameter.GradientLayout != GradientLayout.Dense) throw new ArgumentException($"'{parameter.Name}' has a row-sparse gradient, which devices do not add up over ranks; create it with {nameof(GradientLayout)}.{nameof(GradientLayout.Dense)}.");
        }

        TakeMemory();
        CheckReplicas();
    }

    /// <summary>The parameters: those of the softmax, then those of the body.</summary>
    public IReadOnlyList<GpuParameter> Parameters => _parameters;

    /// <summary>
    /// The sum of the losses of some of the rank's tokens, and its gradients: sets that of the hidden vectors, adds to those of the
    /// parameters. The division by the number of all ranks' targets follows in <see cref="Reduce"/>. Waits for the device.
    /// </summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="hiddenGradient">Receives the gradient of the sum by the hidden vectors, [tokens, hidden]; memory of its own.</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>. The reduction is the mean.</param>
    /// <returns>The sum of the losses.</returns>
    /// <exception cref="ArgumentException">The reduction is not the mean, the sizes do not agree, or a target is not in the vocabulary.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    public float Backward(ArrayView<float> hidden, ArrayView<int> targets, ArrayView<float> hiddenGradient, LossOptions? options = null)
    {
        var sum = SumOf(options);
        var count = CountTargets(targets, sum);
        return Add(_softmax.Backward(hidden, targets, hiddenGradient, sum), count);
    }

    /// <summary>The same without the gradient of the hidden vectors: for a body that does not learn.</summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>. The reduction is the mean.</param>
    /// <returns>The sum of the losses.</returns>
    /// <exception cref="ArgumentException">The reduction is not the mean, the sizes do not agree, or a target is not in the vocabulary.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    public float Backward(ArrayView<float> hidden, ArrayView<int> targets, LossOptions? options = null)
    {
        var sum = SumOf(options);
        var count = CountTargets(targets, sum);
        return Add(_softmax.Backward(hidden, targets, sum), count);
    }

    /// <summary>
    /// Sets the gradients of the parameters, on all ranks to the same bits, to those of the mean over the targets of all ranks. A
    /// parameter that no rank's targets reach has none on any rank; one that some reach has one on all. Once a batch: gradients that are there
    /// without targets since the last call become 0. Waits for the devices of all ranks.
    /// </summary>
    /// <returns>The loss of the batch; 0 without targets.</returns>
    /// <exception cref="InvalidOperationException">A parameter learns on some ranks and is frozen on others; nothing has changed, and it can be called again.</exception>
    /// <exception cref="NcclException">NCCL reports an error.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    public double Reduce()
    {
        TakeMemory();
        double[] own = [_loss, _targets, .. _parameters.Select(parameter => !parameter.RequiresGradient ? -1.0 : parameter.HasGradient() ? 1 : 0)];
        var all = _ranks.Gather(own);
        double loss = 0, targets = 0;
        for (var rank = 0; rank < _ranks.Size; rank++)
        {
            loss += all[rank * own.Length];
            targets += all[(rank * own.Length) + 1];
        }

        for (var i = 0; i < _parameters.Length; i++)
        {
            bool[] frozen = [.. Enumerable.Range(0, _ranks.Size).Select(rank => all[(rank * own.Length) + 2 + i] < 0)];
            if (frozen.Distinct().Count() > 1)
                throw new InvalidOperationException(FormattableString.Invariant($"'{_parameters[i].Name}' is frozen on one of the ranks 0 and {Array.IndexOf(frozen, !frozen[0])}, and learns on the other; freeze it on all ranks."));
        }

        var gradients = new List<ArrayView<float>>();
        for (var i = 0; i < _parameters.Length; i++)
        {
            if (Enumerable.Range(0, _ranks.Size).Any(rank => all[(rank * own.Length) + 2 + i] > 0)) gradients.Add(_parameters[i].TouchGradient());
        }

        var scale = targets > 0 ? 1 / targets : 0;
        if (gradients.Count > 0) _ranks.AddUp(gradients, (float)scale);
        (_loss, _targets) = (0, 0);
        return loss * scale;
    }

    private static LossOptions SumOf(LossOptions? options)
    {
        options ??= LossOptions.Default;
        return options.Reduction == Reduction.Mean
            ? options with { Reduction = Reduction.Sum }
            : throw new ArgumentException($"The reduction is {options.Reduction}; data in parallel have the mean over the targets of all ranks.", nameof(options));
    }

    // Before gradients of a batch that has an unknown target are added to those of others.
    private int CountTargets(ArrayView<int> targets, LossOptions options)
    {
        var ids = new int[targets.Length];
        targets.CopyToHost(_ranks.Accelerator.DefaultStream, ids);
        _softmax.CheckTargets(ids, options);
        return ids.Count(id => id != options.IgnoreIndex);
    }

    private float Add(GpuLoss loss, int targets)
    {
        var value = loss.Read();
        _loss += value;
        _targets += targets;
        return value;
    }

    // A rank that found out behind an agreement that it has too little would leave the others waiting.
    private void TakeMemory() => _ranks.Prepare(_parameters.Where(parameter => parameter.RequiresGradient).Sum(parameter => parameter.Gradient.Length));

    private void CheckReplicas()
    {
        var counts = _ranks.Gather([_parameters.Length]);
        for (var rank = 1; rank < counts.Length; rank++)
        {
            if (counts[rank] != counts[0]) throw Disagreement("number of parameters", rank, counts[rank], counts[0]);
        }

        var own = new double[FactsPerParameter * _parameters.Length];
        for (var i = 0; i < _parameters.Length; i++)
        {
            var parameter = _parameters[i];
            var name = Crc32C.Append(0, MemoryMarshal.AsBytes(parameter.Name.AsSpan()));
            double[] facts = [name, parameter.Rows, parameter.Columns, Checksum(parameter)];
            facts.CopyTo(own, FactsPerParameter * i);
        }

        var all = _ranks.Gather(own);
        string[] words = ["checksum of the name", "number of rows", "number of columns", "checksum of the values"];
        for (var i = own.Length; i < all.Length; i++)
        {
            var fact = i % own.Length;
            if (all[i] != all[fact]) throw Disagreement($"{words[fact % FactsPerParameter]} of '{_parameters[fact / FactsPerParameter].Name}'", i / own.Length, all[i], all[fact]);
        }
    }

    private static InvalidOperationException Disagreement(string what, int rank, double there, double here) =>
        new(string.Create(CultureInfo.InvariantCulture, $"The ranks do not agree: the {what} is {there} on rank {rank} and {here} on rank 0. Start all of them with the same program, files and options."));

    private static unsafe uint Checksum(GpuParameter parameter)
    {
        using var host = parameter.CreateHost();
        parameter.CopyTo(host);
        var crc = 0u;
        for (var row = 0; row < host.Rows; row++) crc = Crc32C.Append(crc, MemoryMarshal.AsBytes(host.Row(row)));
        return crc;
    }
}
