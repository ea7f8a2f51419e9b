namespace AdaptiveSoftmax;

/// <summary>The formats that weights are saved in. Reading needs no such choice: a file's first bytes tell.</summary>
public enum WeightsFormat
{
    /// <summary>Safetensors, which every framework reads.</summary>
    Safetensors,

    /// <summary>A state dict as <c>torch.save</c> writes it, for <c>torch.load</c>.</summary>
    PyTorch,
}
