namespace AdaptiveSoftmax;

/// <summary>A graph of ONNX as it is put together. A node is named as its first output is.</summary>
/// <remarks>The numbers of fields and types are those of <c>onnx.proto</c>.</remarks>
internal sealed class OnnxGraph
{
    private const int NodeField = 1;
    private const int NameField = 2;
    private const int InitializerField = 5;
    private const int InputField = 11;
    private const int OutputField = 12;

    private readonly ProtobufMessage _message = new();

    public OnnxGraph(string name) => _message.Add(NameField, name);

    /// <summary>The graph as a message, to which nothing may be added any more.</summary>
    public ProtobufMessage Message => _message;

    /// <summary>Adds a node with one output.</summary>
    /// <returns>The output's name.</returns>
    public string Add(string operation, string output, string[] inputs, params ReadOnlySpan<ProtobufMessage> attributes)
    {
        Add(operation, [output], inputs, attributes);
        return output;
    }

    /// <summary>Adds a node.</summary>
    public void Add(string operation, string[] outputs, string[] inputs, params ReadOnlySpan<ProtobufMessage> attributes)
    {
        var node = new ProtobufMessage();
        foreach (var input in inputs) node.Add(1, input);
        foreach (var output in outputs) node.Add(2, output);
        node.Add(3, outputs[0]).Add(4, operation);
        foreach (var attribute in attributes) node.Add(5, attribute);
        _message.Add(NodeField, node);
    }

    /// <summary>Adds an input of the model.</summary>
    public void AddInput(string name, OnnxType type, params ReadOnlySpan<object> shape) => _message.Add(InputField, Describe(name, type, shape));

    /// <summary>Names a value as an output.</summary>
    public void AddOutput(string name, OnnxType type, params ReadOnlySpan<object> shape) => _message.Add(OutputField, Describe(name, type, shape));

    /// <summary>Adds a tensor, whose values the message gives or names.</summary>
    public string AddInitializer(string name, OnnxType type, IReadOnlyList<long> shape, Action<ProtobufMessage> addValues)
    {
        var tensor = new ProtobufMessage();
        foreach (var size in shape) tensor.Add(1, size);
        tensor.Add(2, (long)type).Add(8, name);
        addValues(tensor);
        _message.Add(InitializerField, tensor);
        return name;
    }

    /// <summary>An attribute that is a number.</summary>
    public static ProtobufMessage Attribute(string name, long value) => new ProtobufMessage().Add(1, name).Add(3, value).Add(20, 2);

    /// <summary>An attribute that is a list of one number.</summary>
    public static ProtobufMessage ListAttribute(string name, long value) => new ProtobufMessage().Add(1, name).Add(8, value).Add(20, 7);

    /// <summary>An attribute that is a graph.</summary>
    public static ProtobufMessage Attribute(string name, OnnxGraph value) => new ProtobufMessage().Add(1, name).Add(6, value.Message).Add(20, 5);

    // A size is a number, or the name of one that is known when the model runs.
    private static ProtobufMessage Describe(string name, OnnxType type, ReadOnlySpan<object> shape)
    {
        var sizes = new ProtobufMessage();
        foreach (var size in shape) sizes.Add(1, size is string known ? new ProtobufMessage().Add(2, known) : new ProtobufMessage().Add(1, Convert.ToInt64(size, null)));
        var tensor = new ProtobufMessage().Add(1, (long)type).Add(2, sizes);
        return new ProtobufMessage().Add(1, name).Add(2, new ProtobufMessage().Add(1, tensor));
    }
}

/// <summary>Types of values, by their numbers in ONNX.</summary>
internal enum OnnxType
{
    Float = 1,
    Int64 = 7,
    Bool = 9,
}
