using System.Globalization;
using System.Text.Json;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// Hidden states that a model gave its softmax, and the token that followed each: a safetensors file that any framework
/// writes in three lines (docs/states.md). It is read in blocks, so that its size does not matter.
/// </summary>
/// <remarks>
/// Tensors: <c>hidden</c> [N, H] in float32, float16 or bfloat16; <c>targets</c> [N] in int32 or int64, token ids; optionally
/// <c>domain</c> [N], with the domains' names in the metadata <c>domains</c> (a JSON array); optionally <c>loss</c> [N].
/// </remarks>
public sealed class StatesFile : IDisposable
{
    private const string HowToWrite = "Write it as docs/states.md shows: hidden [N, H] and targets [N], by safetensors.torch.save_file.";

    private readonly SafetensorsReader _file;
    private readonly WeightsTensor _hidden;
    private readonly StatesIntegers _targets;
    private readonly StatesIntegers? _domain;
    private readonly WeightsTensor? _loss;
    private Func<int, bool>? _isToken;
    private byte[] _bytes = [];

    private StatesFile(SafetensorsReader file)
    {
        _file = file;
        _hidden = Find(StatesTensors.Hidden);
        if (_hidden.Shape.Count != 2)
            throw Fault(_hidden, $"Its shape is {WeightsText.Shape(_hidden.Shape)}, and states are [N, H].", "Give each position a row: hidden.reshape(-1, hidden.shape[-1]).");
        if (FloatConversion.GetSize(_hidden.Type) == 0) throw FloatConversion.UnknownType(file, _hidden);
        if (_hidden.Count == 0) throw Fault(_hidden, $"Its shape is {WeightsText.Shape(_hidden.Shape)}: there are no states in it.", "Write the states of some text.");
        if (_hidden.Shape[1] > Array.MaxLength / sizeof(double)) throw Fault(_hidden, FormattableString.Invariant($"Its rows have {_hidden.Shape[1]} values."), "Check that its shape is [N, H].");
        Count = _hidden.Shape[0];
        HiddenSize = (int)_hidden.Shape[1];
        _targets = Integers(Find(StatesTensors.Targets));
        if (file.TryGetTensor(StatesTensors.Domain, out var domain))
        {
            _domain = Integers(domain);
            Domains = ReadDomains();
        }

        if (!file.TryGetTensor(StatesTensors.Loss, out _loss)) return;
        CheckLength(_loss);
        if (FloatConversion.GetSize(_loss.Type) == 0) throw FloatConversion.UnknownType(file, _loss);
    }

    /// <summary>The file.</summary>
    public string FileName => _file.FileName;

    /// <summary>The number of states N.</summary>
    public long Count { get; }

    /// <summary>The hidden size H.</summary>
    public int HiddenSize { get; }

    /// <summary>The domains' names; empty where states have no domain.</summary>
    public IReadOnlyList<string> Domains { get; } = [];

    /// <summary>Whether the file says the loss that the model had for each target.</summary>
    public bool HasLosses => _loss is not null;

    /// <summary>The strings beside the tensors.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _file.Metadata;

    /// <summary>Opens a file and checks types and shapes.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="WeightsFormatException">It is damaged, of another format, or holds no states.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static StatesFile Open(string path) => Open(WeightsFile.Open(path));

    /// <summary>Opens what a stream holds from where it stands to its end; one that cannot seek is read at once, into a temporary file.</summary>
    /// <param name="stream">The stream. It is not closed, and must stay open and unused as long as this is.</param>
    /// <exception cref="WeightsFormatException">It is damaged, of another format, or holds no states.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static StatesFile Open(Stream stream) => Open(WeightsFile.Open(stream));

    private static StatesFile Open(WeightsFile file)
    {
        try
        {
            if (file is SafetensorsReader safetensors) return new StatesFile(safetensors);
            throw file.CreateFault(null, $"It is a file in {file.Format}'s format, and states are read from safetensors.", HowToWrite);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Says which softmax the states are for: the hidden size is checked at once, and the targets as they are read.
    /// </summary>
    /// <param name="softmax">The softmax.</param>
    /// <exception cref="WeightsFormatException">The states have another hidden size.</exception>
    public void Require(SoftmaxDecoder softmax)
    {
        ArgumentNullException.ThrowIfNull(softmax);
        Require(softmax.Layout.HiddenSize, id => softmax.SlotOf(id) >= 0);
    }

    /// <inheritdoc cref="Require(SoftmaxDecoder)"/>
    /// <param name="hiddenSize">The hidden size that states must have.</param>
    /// <param name="isToken">Whether an id is in the vocabulary.</param>
    public void Require(int hiddenSize, Func<int, bool> isToken)
    {
        ArgumentNullException.ThrowIfNull(isToken);
        CheckHiddenSize(hiddenSize);
        _isToken = isToken;
    }

    /// <summary>Reads all blocks for one softmax, whatever else is required of the file.</summary>
    /// <param name="hiddenSize">The hidden size that states must have.</param>
    /// <param name="isToken">Whether an id is in the vocabulary.</param>
    internal IEnumerable<StatesBlock> ReadBlocksFor(int hiddenSize, Func<int, bool> isToken)
    {
        CheckHiddenSize(hiddenSize);
        foreach (var block in ReadBlocks())
        {
            CheckTargets(block, isToken);
            yield return block;
        }
    }

    /// <summary>Reads the file from a row on, in blocks. One block's memory serves for all.</summary>
    /// <param name="rows">The rows of a block, the last one's excepted.</param>
    /// <param name="start">The first row.</param>
    /// <param name="count">How many rows at most; null for all that follow.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is negative, or a block would have no rows or too many.</exception>
    /// <exception cref="WeightsFormatException">
    /// A value is not finite, a target is not in the vocabulary, or a domain has no name; the message says in which row.
    /// </exception>
    public IEnumerable<StatesBlock> ReadBlocks(int rows = 1024, long start = 0, long? count = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfNegative(count ?? 0, nameof(count));
        CheckRows(rows);
        return Enumerate();

        IEnumerable<StatesBlock> Enumerate()
        {
            var block = new StatesBlock();
            var end = count is { } most && most < Count - start ? start + most : Count;
            for (var at = start; at < end; at += rows)
            {
                Read(at, (int)Math.Min(rows, end - at), block);
                yield return block;
            }
        }
    }

    /// <summary>Reads rows into a block, whose memory is used again.</summary>
    /// <param name="start">The first row.</param>
    /// <param name="rows">The number of rows.</param>
    /// <param name="block">Takes them.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are no such rows.</exception>
    /// <exception cref="WeightsFormatException">
    /// A value is not finite, a target is not in the vocabulary, or a domain has no name; the message says in which row.
    /// </exception>
    public void Read(long start, int rows, StatesBlock block)
    {
        ArgumentNullException.ThrowIfNull(block);
        CheckRows(rows);
        if (start < 0 || start > Count - rows)
            throw new ArgumentOutOfRangeException(nameof(start), start, FormattableString.Invariant($"There are {Count} states in {FileName}, and {rows} were to be read from there."));
        block.Reserve(this, start, rows);
        ReadFloats(_hidden, start * HiddenSize, block.HiddenRoom);
        CheckFinite(_hidden, start, block.Hidden, HiddenSize);
        _targets.Read(start, block.TargetRoom, Reserve(rows * sizeof(long)));
        CheckTargets(block, _isToken);
        if (_domain is not null)
        {
            _domain.Read(start, block.DomainRoom, Reserve(rows * sizeof(long)));
            CheckDomains(block);
        }

        if (_loss is null) return;
        ReadFloats(_loss, start, block.LossRoom);
        CheckFinite(_loss, start, block.Losses, 1);
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _file.Dispose();

    private void CheckHiddenSize(int hiddenSize)
    {
        if (HiddenSize != hiddenSize)
            throw Fault(_hidden, FormattableString.Invariant($"Its states have {HiddenSize} values, and the softmax has hidden size {hiddenSize}."), "Write the states that go into this very softmax, or name the file of another model.");
    }

    private void CheckRows(int rows)
    {
        if (rows < 1 || (long)rows * HiddenSize * sizeof(double) > Array.MaxLength)
            throw new ArgumentOutOfRangeException(nameof(rows), rows, FormattableString.Invariant($"A block has from 1 to {Array.MaxLength / sizeof(double) / HiddenSize} rows of {HiddenSize} values."));
    }

    private void CheckTargets(StatesBlock block, Func<int, bool>? isToken)
    {
        for (var i = 0; i < block.Count; i++)
        {
            var target = block.Targets[i];
            if (target >= 0 && (isToken is null || isToken(target))) continue;
            throw Fault(_targets.Tensor, $"Row {Number(block.Start + i)} has the target {Number(target)}, which is no token id of the vocabulary.", "Leave such rows out (also those with PyTorch's ignore_index), or name the spec of the model that wrote the states.");
        }
    }

    private void CheckDomains(StatesBlock block)
    {
        for (var i = 0; i < block.Count; i++)
        {
            if ((uint)block.Domains[i] < (uint)Domains.Count) continue;
            throw Fault(_domain!.Tensor, $"Row {Number(block.Start + i)} has the domain {Number(block.Domains[i])}, and the metadata '{StatesTensors.DomainNames}' names {Domains.Count}.", "Number the domains from 0 in the order of their names.");
        }
    }

    private void CheckFinite(WeightsTensor tensor, long start, ReadOnlySpan<float> values, int columns)
    {
        var at = FiniteValues.IndexOfOther(values);
        if (at < 0) return;
        throw Fault(tensor, $"Row {Number(start + (at / columns))} holds {(float.IsNaN(values[at]) ? "NaN" : "an infinity")}.", "Find out where the model makes it, or leave such rows out; float16 ends at 65,504, bfloat16 does not.");
    }

    private void ReadFloats(WeightsTensor tensor, long first, Span<float> values)
    {
        var size = FloatConversion.GetSize(tensor.Type);
        var bytes = Reserve(values.Length * size);
        _file.ReadBytes(tensor, first * size, bytes);
        FloatConversion.Convert(_file, tensor, bytes, values);
    }

    private Span<byte> Reserve(int length)
    {
        if (_bytes.Length < length) _bytes = new byte[length];
        return _bytes.AsSpan(0, length);
    }

    private WeightsTensor Find(string name)
    {
        if (_file.TryGetTensor(name, out var tensor)) return tensor;
        throw _file.CreateFault(name, "It is not in the file, so the file holds no states.", HowToWrite);
    }

    private StatesIntegers Integers(WeightsTensor tensor)
    {
        CheckLength(tensor);
        if (tensor.Type is not (StatesTensors.Int32 or StatesTensors.Int64))
            throw Fault(tensor, $"Its type is {Excerpt.Name(tensor.Type)}; int32 (I32) and int64 (I64) can be read.", $"Convert it: {tensor.Name}.to(torch.int32).");
        return new StatesIntegers(_file, tensor);
    }

    private void CheckLength(WeightsTensor tensor)
    {
        if (tensor.Shape.Count != 1 || tensor.Count != Count)
            throw Fault(tensor, FormattableString.Invariant($"Its shape is {WeightsText.Shape(tensor.Shape)}, and there are {Count} states: it must be [{Count}]."), $"Give each state one value: {tensor.Name}.reshape(-1), with the rows of {StatesTensors.Hidden} in the same order.");
    }

    private string[] ReadDomains()
    {
        try
        {
            if (!Metadata.TryGetValue(StatesTensors.DomainNames, out var json)) throw NoNames("is missing");
            var names = JsonSerializer.Deserialize<string[]>(json);
            return names is { Length: > 0 } && !names.Contains(null) && names.Distinct().Count() == names.Length ? names : throw NoNames("names none, or one twice");
        }
        catch (JsonException exception)
        {
            throw NoNames($"is no JSON array of strings: {Excerpt.Message(exception.Message)}");
        }

        WeightsFormatException NoNames(string problem) =>
            Fault(_domain!.Tensor, $"The metadata '{StatesTensors.DomainNames}' with the domains' names {problem}.", "Give save_file metadata={\"domains\": json.dumps(names)}, or leave the tensor out.");
    }

    private WeightsFormatException Fault(WeightsTensor tensor, string problem, string remedy) => _file.CreateFault(tensor.Name, problem, remedy);

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);
}
