using System.Globalization;
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

    /// <summary>
    /// Checks all that can be without values: each tensor that the layer needs is there, of a type that is read and of its
    /// shape, and none is there that would be lost.
    /// </summary>
    /// <returns>The sizes of the layer that it becomes.</returns>
    /// <exception cref="ToolException">The tensors do not fit together, or the options do not say enough.</exception>
    public SoftmaxLayout Check(ConvertOptions options)
    {
        var layout = GetLayout(options);
        var needed = GetNeeded(layout, options).ToList();
        foreach (var (name, shapes) in needed) Tensors.Check(name, shapes);
        var names = needed.Select(tensor => tensor.Name).ToHashSet();
        foreach (var name in Tensors.OwnNames.Where(name => Parts.Any(part => name.StartsWith(part, StringComparison.Ordinal)) && !names.Contains(name))) CheckOther(name, layout, options);
        return layout;
    }

    /// <summary>Reads the weights, which were checked.</summary>
    /// <returns>What a user should know of the conversion, a sentence each.</returns>
    /// <exception cref="ToolException">The tensors hold what a layer cannot.</exception>
    public abstract IReadOnlyList<string> Fill(ConvertedSoftmax target, ConvertOptions options);

    /// <summary>What the names of its tensors begin with behind the prefix.</summary>
    protected abstract IReadOnlyList<string> Parts { get; }

    protected abstract SoftmaxLayout CreateLayout(ConvertOptions options);

    /// <summary>The tensors that are read, each with the shapes that it may have.</summary>
    protected abstract IEnumerable<(string Name, long[][] Shapes)> GetNeeded(SoftmaxLayout layout, ConvertOptions options);

    /// <summary>Refuses a tensor of the module that is not read.</summary>
    /// <exception cref="ToolException">Without it the layer would give other log-probs.</exception>
    protected virtual void CheckOther(string name, SoftmaxLayout layout, ConvertOptions options)
    {
        var parts = name.Split('.');
        if (parts.Length > 2 && int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var cluster) && cluster >= layout.TailCount)
            throw Tensors.Fault(name, FormattableString.Invariant($"is there, and those of clusters before it are missing: {layout.TailCount} tail cluster{(layout.TailCount == 1 ? " is" : "s are")} whole. Save the model again with all of its tensors."));
        if (parts is ["tail", _, _, "bias"])
        {
            if (options.TailBias == TailBias.Drop) return;
            throw Tensors.Fault(name, "is a bias in a tail cluster, which a layer does not have. Leave such biases out with --tail-bias drop, which changes log-probs of the cluster unless they are all the same.");
        }

        throw Tensors.Fault(name, $"is no tensor of {Description}, and would be lost. Take it out of the file, or rename it, if it is none of the softmax's.");
    }

    /// <summary>What is left out of the tensors, as a sentence each.</summary>
    protected IEnumerable<string> DescribeLeftOut() =>
        Tensors.OwnNames.Where(name => name.Split('.') is ["tail", _, _, "bias"]).Select(name => $"'{Excerpt.Name(Tensors.Prefix + name)}' is left out, which changes log-probs of its cluster unless its values are all the same.");

    private SoftmaxLayout GetLayout(ConvertOptions options)
    {
        try
        {
            return CreateLayout(options);
        }
        catch (ArgumentException exception)
        {
            throw new ToolException($"{Excerpt.Line(Tensors.File.FileName)}: the tensors of '{Excerpt.Name(Tensors.Prefix)}' do not make an adaptive softmax. {exception.Message.Replace($" (Parameter '{exception.ParamName}')", "", StringComparison.Ordinal)}");
        }
    }

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
