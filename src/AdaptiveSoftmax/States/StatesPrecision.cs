namespace AdaptiveSoftmax;

/// <summary>The type of hidden values in a states file.</summary>
public enum StatesPrecision
{
    /// <summary>4 bytes a value, as they are.</summary>
#pragma warning disable CA1720 // The names are those of safetensors and PyTorch.
    Float32,

    /// <summary>2 bytes a value, up to 65,504.</summary>
    Float16,

    /// <summary>2 bytes a value, of any size that float32 has.</summary>
    BFloat16,
#pragma warning restore CA1720
}
