namespace AdaptiveSoftmax;

/// <summary>A file is not a state dict as <c>torch.save</c> writes it: damaged, cut short, or with objects besides tensors.</summary>
public sealed class PyTorchFormatException : WeightsFormatException
{
    /// <inheritdoc cref="WeightsFormatException(string, string, string, string, Exception)"/>
    public PyTorchFormatException(string fileName, string? tensorName, string problem, string remedy, Exception? innerException = null)
        : base(fileName, tensorName, problem, remedy, innerException)
    {
    }
}
