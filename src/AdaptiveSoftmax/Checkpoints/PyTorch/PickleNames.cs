namespace AdaptiveSoftmax;

/// <summary>
/// The names that a pickle may use: those that PyTorch's own <c>torch.load(weights_only=True)</c> takes. None is ever
/// called; what a call of one would make is read off its arguments, or passed over.
/// </summary>
internal static class PickleNames
{
    public const string RebuildTensor = "torch._utils._rebuild_tensor_v2";
    public const string RebuildOldTensor = "torch._utils._rebuild_tensor";
    public const string RebuildTypedTensor = "torch._utils._rebuild_tensor_v3";
    public const string RebuildParameter = "torch._utils._rebuild_parameter";
    public const string RebuildParameterWithState = "torch._utils._rebuild_parameter_with_state";
    public const string RebuildOnDevice = "torch._utils._rebuild_device_tensor_from_cpu_tensor";
    public const string RebuildFromType = "torch._tensor._rebuild_from_type_v2";
    public const string RebuildQuantized = "torch._utils._rebuild_qtensor";
    public const string RebuildSparse = "torch._utils._rebuild_sparse_tensor";
    public const string RebuildOldSparse = "torch._utils._rebuild_sparse_csr_tensor";
    public const string RebuildMeta = "torch._utils._rebuild_meta_tensor_no_storage";
    public const string RebuildNested = "torch._utils._rebuild_nested_tensor";
    public const string RebuildWrapper = "torch._utils._rebuild_wrapper_subclass";
    public const string OrderedDict = "collections.OrderedDict";
    public const string Counter = "collections.Counter";
    public const string Size = "torch.Size";

    // A pickle of an old protocol has the old name of Python's built-in module.
    private static readonly string[] s_sets = [.. Both("set"), .. Both("frozenset")];
    private static readonly string[] s_passedOver = ["torch.device", "torch.serialization._get_layout", "_codecs.encode", .. Both("bytes"), .. Both("bytearray"), .. Both("complex")];

    private static readonly HashSet<string> s_known =
    [
        RebuildTensor, RebuildOldTensor, RebuildTypedTensor, RebuildParameter, RebuildParameterWithState, RebuildOnDevice, RebuildFromType,
        RebuildQuantized, RebuildSparse, RebuildOldSparse, RebuildMeta, RebuildNested, RebuildWrapper, OrderedDict, Counter, Size,
        "torch.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer", .. s_sets, .. s_passedOver,
    ];

    /// <summary>Whether a pickle may use a name.</summary>
    public static bool IsKnown(string name) =>
        s_known.Contains(name) || PyTorchTypes.IsUntypedStorage(name) || PyTorchTypes.FindStorage(name) is not null || PyTorchTypes.FindType(name) is not null;

    /// <summary>Whether a name makes a set of a list.</summary>
    public static bool IsSet(string name) => s_sets.Contains(name);

    /// <summary>Whether a name makes a plain value that is passed over.</summary>
    public static bool IsPassedOver(string name) => s_passedOver.Contains(name);

    private static string[] Both(string name) => [$"builtins.{name}", $"__builtin__.{name}"];
}
