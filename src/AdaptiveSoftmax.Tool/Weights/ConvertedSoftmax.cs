using AdaptiveSoftmax.Tool.Terminal;
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

    /// <summary>Checks that names with a prefix can be read again.</summary>
    /// <exception cref="ToolException">They are too long, or no text.</exception>
    public void CheckPrefix(string prefix)
    {
        if (Surrogates.IndexOfLone(prefix) >= 0) throw new ToolException($"--output-prefix is {Excerpt.Name(prefix)}, which holds half a character; give a name.");
        var longest = WeightsLimits.NameLength - _layer.Parameters.Max(parameter => parameter.Name.Length);
        if (prefix.Length > longest)
            throw new ToolException(FormattableString.Invariant($"--output-prefix has {prefix.Length} characters; give at most {longest}, so that no name is longer than the {WeightsLimits.NameLength} that are read."));
    }

    /// <summary>Writes the file, atomically.</summary>
    /// <param name="path">The file.</param>
    /// <param name="prefix">What stands before each name.</param>
    /// <param name="format">The format.</param>
    /// <param name="identity">The vocabulary that the weights are marked with, or null to leave them unmarked.</param>
    /// <param name="cancellationToken">Ends it, and leaves the file as it was.</param>
    public void Save(string path, string prefix, WeightsFormat format, SoftmaxIdentity? identity, CancellationToken cancellationToken) =>
        new Checkpoint(_layer.Parameters, [], identity) { Prefix = prefix }.SaveAsync(path, format, cancellationToken).GetAwaiter().GetResult();

    public void Dispose() => _layer.Dispose();

    private Parameter Find(string name) => _layer.Parameters.Single(parameter => parameter.Name == name);
}
