using TorchSharp;
using static TorchSharp.torch;
using TorchParameter = TorchSharp.Modules.Parameter;

namespace AdaptiveSoftmax.TorchSharp;

/// <summary>A table of embeddings, <c>weight</c> [size, width], without initialisation.</summary>
internal sealed class EmbeddingTable : nn.Module<Tensor, Tensor>
{
    private const string Name = "weight";

    public EmbeddingTable(long size, long width, Device? device, ScalarType? dtype)
        : base(nameof(EmbeddingTable))
    {
        register_parameter(Name, new TorchParameter(empty(size, width, dtype ?? get_default_dtype(), device ?? get_default_device())));
        RegisterComponents();
    }

    /// <summary>The table; another object after a change of device or type.</summary>
    public TorchParameter Weight => get_parameter(Name)!;

    /// <param name="input">Rows, int64 [N].</param>
    /// <returns>[N, width]</returns>
    public override Tensor forward(Tensor input) => Lookup(Weight, input);

    /// <summary>The rows of a table, [N, width].</summary>
    /// <remarks>
    /// In the backward pass the gradients of a row that occurs several times add up in a fixed order, and no operation of
    /// libtorch promises that on every device: the processor's index_select does, and indexing does on the others.
    /// </remarks>
    public static Tensor Lookup(Tensor table, Tensor rows) => table.device_type == DeviceType.CPU ? table.index_select(0, rows) : table[rows];
}
