using System.Runtime.InteropServices;
using static TorchSharp.torch;
using Parameter = AdaptiveSoftmax.Parameter;

namespace TorchLstmSample;

/// <summary>
/// Tensors beside parameters of this project with the same values, for checkpoints: those write parameters, with a
/// fingerprint and never half a file, and change nothing when a file does not fit.
/// </summary>
internal sealed class TensorCopies : IDisposable
{
    private readonly List<(Tensor Tensor, Parameter Parameter)> _pairs = [];
    private readonly List<Parameter> _own = [];

    /// <summary>The parameters that were made for tensors.</summary>
    public IReadOnlyList<Parameter> Parameters => _own;

    /// <summary>Adds a tensor, float32 on the processor and contiguous, with a parameter of its own.</summary>
    public void Add(string name, Tensor tensor)
    {
        var columns = (int)tensor.shape[^1];
        var parameter = tensor.dim() == 1 ? Parameter.CreateVector(name, columns) : new Parameter(name, (int)(tensor.numel() / columns), columns);
        _own.Add(parameter);
        Pair(tensor, parameter);
    }

    /// <summary>Adds a tensor and the parameter that belongs to it.</summary>
    public void Pair(Tensor tensor, Parameter parameter) => _pairs.Add((tensor, parameter));

    /// <summary>Copies the tensors to the parameters.</summary>
    public void Take()
    {
        foreach (var (tensor, parameter) in _pairs) parameter.Set(MemoryMarshal.Cast<byte, float>(tensor.bytes));
    }

    /// <summary>Copies the parameters to the tensors.</summary>
    public void Give()
    {
        foreach (var (tensor, parameter) in _pairs) MemoryMarshal.AsBytes(parameter.Values).CopyTo(tensor.bytes);
    }

    public void Dispose() => _own.ForEach(parameter => parameter.Dispose());
}
