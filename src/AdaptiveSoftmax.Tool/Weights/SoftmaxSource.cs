using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Weights;

/// <summary>An adaptive softmax that a file of weights holds, in the layout of the library it comes from.</summary>
/// <param name="tensors">Its tensors.</param>
internal abstract class SoftmaxSource(SourceTensors tensors)
{
    /// <summary>The layout, as <c>--from</c> names it.</summary>
    public abstract string Name { get; }

    /// <summary>The layout in words.</summary>
    public abstract string Description { get; }

    public SourceTensors Tensors => tensors;

    /// <summary>The sizes of the layer that it becomes.</summary>
    /// <exception cref="ToolException">The tensors do not fit together, or the options do not say enough.</exception>
    public SoftmaxLayout GetLayout(ConvertOptions options)
    {
        try
        {
            return CreateLayout(options);
        }
        catch (ArgumentException exception)
        {
            throw new ToolException($"{Tensors.File.FileName}: the tensors of '{Excerpt.Name(Tensors.Prefix)}' do not make an adaptive softmax. {exception.Message.Replace($" (Parameter '{exception.ParamName}')", "", StringComparison.Ordinal)}");
        }
    }

    /// <summary>Reads the weights.</summary>
    /// <returns>What a user should know of the conversion, a sentence each.</returns>
    /// <exception cref="ToolException">The tensors do not fit together, or hold what a layer cannot.</exception>
    public abstract IReadOnlyList<string> Fill(ConvertedSoftmax target, ConvertOptions options);

    protected abstract SoftmaxLayout CreateLayout(ConvertOptions options);

    /// <summary>First slots of tail clusters, and the number of all tokens, from the sizes of shortlist and clusters.</summary>
    protected static (int[] Cutoffs, int VocabularySize) GetCutoffs(int shortlist, IEnumerable<int> sizes)
    {
        var cutoffs = new List<int>();
        var end = (long)shortlist;
        foreach (var size in sizes)
        {
            cutoffs.Add((int)end);
            end += size;
            if (end > int.MaxValue) throw new ArgumentException($"There are more than {int.MaxValue} tokens.");
        }

        return ([.. cutoffs], (int)end);
    }
}
