using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Weights;

/// <summary>The weights of a layer while they are put together.</summary>
internal sealed class ConvertedSoftmax(SoftmaxLayout layout) : IDisposable
{
    private readonly DynamicAdaptiveSoftmax _layer = new(layout);

    public SoftmaxLayout Layout => layout;

    /// <summary>[shortlist + clusters, hidden].</summary>
    public Parameter Head => Find("head.weight");

    /// <summary>[shortlist + clusters], where the layout has it.</summary>
    public Parameter HeadBias => Find("head.bias");

    /// <summary>[width, hidden].</summary>
    public Parameter Projection(int cluster) => Find($"tail.{cluster}.0.weight");

    /// <summary>[size, width].</summary>
    public Parameter Output(int cluster) => Find($"tail.{cluster}.1.weight");

    /// <summary>Writes the file, atomically.</summary>
    /// <param name="path">The file.</param>
    /// <param name="prefix">What stands before each name.</param>
    /// <param name="format">The format.</param>
    /// <param name="identity">The vocabulary that the weights are marked with, or null to leave them unmarked.</param>
    public void Save(string path, string prefix, WeightsFormat format, SoftmaxIdentity? identity) =>
        new Checkpoint(_layer.Parameters, [], identity) { Prefix = prefix }.Save(path, format);

    public void Dispose() => _layer.Dispose();

    private Parameter Find(string name) => _layer.Parameters.Single(parameter => parameter.Name == name);
}
