namespace AdaptiveSoftmax;

/// <summary>What is read of a file whose author nobody knows: far more than any model has, far less than exhausts a machine.</summary>
internal static class WeightsLimits
{
    /// <summary>The most tensors of one file; a model of more is stored in several.</summary>
    public const int Tensors = 500_000;

    /// <summary>The most tensors of all the files of a model together.</summary>
    public const int ModelTensors = 2_000_000;

    /// <summary>The most files of a model.</summary>
    public const int Files = 10_000;

    /// <summary>The most dimensions of a tensor, which is also PyTorch's limit.</summary>
    public const int Dimensions = 64;

    /// <summary>The most strings beside the tensors.</summary>
    public const int Strings = 100_000;

    /// <summary>The most characters of a tensor's name.</summary>
    public const int NameLength = 1024;
}
