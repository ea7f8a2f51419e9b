using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Weights;

/// <summary>The tensors of one module in a file of weights.</summary>
/// <param name="file">The file.</param>
/// <param name="prefix">What stands before each of the module's names, for example <c>decoder.softmax.</c>.</param>
internal sealed class SourceTensors(WeightsFile file, string prefix)
{
    private readonly Dictionary<string, string> _tied = [];

    public WeightsFile File => file;

    public string Prefix => prefix;

    public bool Has(string name) => Find(name) is not null;

    /// <summary>Says that a tensor, where the file lacks it, is one that it has under another module's name.</summary>
    /// <param name="name">The module's name of it.</param>
    /// <param name="other">Its whole name in the file.</param>
    public void Tie(string name, string other) => _tied[name] = other;

    /// <summary>How many of numbered tensors there are, from 0 on without a gap.</summary>
    public int Count(Func<int, string> name)
    {
        var count = 0;
        while (Has(name(count))) count++;
        return count;
    }

    /// <summary>The names in the file that begin with the prefix, without it.</summary>
    public IEnumerable<string> OwnNames => file.Tensors.Where(tensor => tensor.Name.StartsWith(prefix, StringComparison.Ordinal)).Select(tensor => tensor.Name[prefix.Length..]);

    /// <summary>Checks that a tensor is there, can be read, and has one of some shapes.</summary>
    /// <exception cref="ToolException">It is not so.</exception>
    public void Check(string name, params IReadOnlyList<long[]> shapes)
    {
        var tensor = Get(name, dimensions: null);
        if (FloatConversion.GetSize(tensor.Type) == 0) throw Fault(name, $"is of type {Excerpt.Name(tensor.Type)}; only F32, F64, F16 and BF16 can be read as weights. Save it as a dense tensor of float32.");
        if (!shapes.Any(shape => tensor.Shape.SequenceEqual(shape)))
            throw Fault(name, $"is {WeightsText.Shape(tensor.Shape)}, and {string.Join(" or ", shapes.Select(WeightsText.Shape).Distinct())} follows from the other tensors.");
    }

    /// <summary>The shape [rows, columns] of a matrix.</summary>
    public (int Rows, int Columns) GetMatrix(string name)
    {
        var shape = Get(name, dimensions: 2).Shape;
        return (ToSize(name, shape[0]), ToSize(name, shape[1]));
    }

    /// <summary>The length of a vector.</summary>
    public int GetVector(string name) => ToSize(name, Get(name, dimensions: 1).Shape[0]);

    /// <summary>Reads a matrix or a vector into memory of its own.</summary>
    public Parameter Read(string name)
    {
        var tensor = Get(name, dimensions: null);
        var parameter = tensor.Shape.Count == 1
            ? Parameter.CreateVector(name, GetVector(name))
            : new Parameter(name, GetMatrix(name).Rows, GetMatrix(name).Columns);
        try
        {
            file.Read(tensor, parameter);
            return parameter;
        }
        catch
        {
            parameter.Dispose();
            throw;
        }
    }

    /// <summary>Reads a tensor straight into a parameter of its shape.</summary>
    public void ReadInto(string name, Parameter destination)
    {
        var tensor = Get(name, dimensions: null);
        var shape = WeightsContent.GetShape(destination);
        if (!tensor.Shape.SequenceEqual(shape))
            throw Fault(name, $"is {WeightsText.Shape(tensor.Shape)}, and {WeightsText.Shape(shape)} follows from the other tensors.");
        file.Read(tensor, destination);
    }

    /// <summary>A mistake in the file that names a tensor.</summary>
    public ToolException Fault(string name, string problem) => new($"{Excerpt.Line(file.FileName)}: '{Excerpt.Name(prefix + name)}' {problem}");

    private WeightsTensor? Find(string name)
    {
        if (file.TryGetTensor(prefix + name, out var own)) return own;
        return _tied.TryGetValue(name, out var other) && file.TryGetTensor(other, out var tied) ? tied : null;
    }

    private WeightsTensor Get(string name, int? dimensions)
    {
        var tensor = Find(name) ?? throw Fault(name, "is missing, and the module's other tensors are there.");
        if (dimensions is { } wanted && tensor.Shape.Count != wanted)
            throw Fault(name, $"is {WeightsText.Shape(tensor.Shape)}; {wanted} dimension{(wanted == 1 ? " is" : "s are")} needed.");
        return tensor;
    }

    private int ToSize(string name, long size) => size is >= 1 and <= int.MaxValue ? (int)size : throw Fault(name, $"has a size of {size}; sizes are from 1 to {int.MaxValue}.");
}
