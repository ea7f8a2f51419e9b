using System.Runtime.InteropServices;
using AdaptiveSoftmax.Gpu.Cuda;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// The ranks of a job, each with a CUDA device of its own, whose devices exchange values by NCCL without the host. Opt-in: it has
/// run against a library that stands in for NCCL, and on no hardware yet.
/// </summary>
/// <remarks>
/// One rank makes an id, and whatever ranks have between them brings it to the others, such as the <c>Broadcast</c> of
/// AdaptiveSoftmax.Distributed. Ranks are processes, or threads of one. All make the same calls in the same order; NCCL does not
/// notice where they do not, and waits. An error that NCCL reports is the end of the ranks that it reaches.
/// </remarks>
public sealed class NcclRanks : IDisposable
{
    /// <summary>The bytes of an id.</summary>
    public const int IdLength = NcclId.Length;

    /// <summary>The environment variable that names the file of NCCL, where the right one is not found.</summary>
    public const string LibraryVariable = NcclLibrary.Variable;

    private static readonly Lazy<NcclLibrary> s_library = new(() => NcclLibrary.Load(Environment.GetEnvironmentVariable(LibraryVariable) is { Length: > 0 } named ? named : null));

    private readonly CudaAccelerator _accelerator;
    private readonly PrimaryContext _context;
    private nint _communicator;

    /// <summary>Joins the ranks of an id. Waits for all of them.</summary>
    /// <param name="accelerator">This rank's device; ranks have different ones.</param>
    /// <param name="rank">This rank, in [0, size).</param>
    /// <param name="size">The number of ranks.</param>
    /// <param name="id">The id, of <see cref="CreateId"/> on one of the ranks, [<see cref="IdLength"/>].</param>
    /// <exception cref="ArgumentException">The rank is none of so many, the id has another length, or the device is not CUDA's.</exception>
    /// <exception cref="NcclException">There is no NCCL, or it reports an error.</exception>
    /// <exception cref="CudaException">The device's primary context cannot be had.</exception>
    public NcclRanks(Accelerator accelerator, int rank, int size, ReadOnlySpan<byte> id)
    {
        ArgumentNullException.ThrowIfNull(accelerator);
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(rank);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(rank, size);
        if (id.Length != IdLength) throw new ArgumentException(FormattableString.Invariant($"The id has {id.Length} bytes; one of {nameof(CreateId)} has {IdLength}."), nameof(id));
        _accelerator = accelerator as CudaAccelerator ?? throw new ArgumentException($"'{accelerator.Name}' is a device of {accelerator.AcceleratorType}, and NCCL is CUDA's.", nameof(accelerator));
        (Rank, Size) = (rank, size);
        var library = s_library.Value;
        _context = new PrimaryContext(_accelerator);
        try
        {
            using var entered = _context.Enter();
            Check(library.Join(MemoryMarshal.Read<NcclId>(id), rank, size, out _communicator), "ncclCommInitRank");
        }
        catch
        {
            _communicator = 0;
            _context.Dispose();
            throw;
        }
    }

    /// <summary>This rank, in [0, <see cref="Size"/>).</summary>
    public int Rank { get; }

    /// <summary>The number of ranks.</summary>
    public int Size { get; }

    /// <summary>This rank's device.</summary>
    public Accelerator Accelerator => _accelerator;

    /// <summary>The version of NCCL, such as <c>2.21.5</c>.</summary>
    /// <exception cref="NcclException">There is no NCCL.</exception>
    public static string LibraryVersion => s_library.Value.Version;

    /// <summary>The most values that are added up in one call; the device has room for so many besides the gradients.</summary>
    internal long ValuesPerCall { get; set; } = 1 << 23;

    /// <summary>An id by which ranks find each other: one rank makes it, for all.</summary>
    /// <exception cref="NcclException">There is no NCCL, or it reports an error.</exception>
    public static byte[] CreateId()
    {
        var id = s_library.Value.CreateId();
        return MemoryMarshal.AsBytes(new ReadOnlySpan<NcclId>(ref id)).ToArray();
    }

    /// <summary>Leaves the ranks, and waits for none of them: all are to have had their last result, as behind a barrier. The accelerator stays the caller's.</summary>
    public void Dispose()
    {
        try
        {
            if (_communicator == 0) return;
            using var entered = _context.Enter();
            var communicator = _communicator;
            _communicator = 0;

            // ncclCommDestroy waits for all ranks of the machine, which wait in a call for one that leaves by an exception. Calls of this rank have ended.
            // Whatever it says: an error that made the rank leave is the one to tell.
            _ = s_library.Value.Abort(communicator);
        }
        finally
        {
            _context.Dispose();
        }
    }

    /// <summary>Puts the values of all ranks together in the order of the ranks, on the host. Waits for all ranks.</summary>
    /// <param name="own">This rank's values, of the same number on each.</param>
    /// <returns>[ranks, values].</returns>
    internal double[] Gather(ReadOnlySpan<double> own)
    {
        using var entered = Enter();
        var bytes = own.Length * sizeof(double);
        Reserve(((long)Size + 1) * bytes, "the values of all ranks");
        var (source, target) = (_context.Memory, _context.Memory + (ulong)bytes);
        _context.Upload(own, source);
        Check(s_library.Value.AllGather(source, target, own.Length, _communicator, _context.Stream), "ncclAllGather");
        Wait("ncclAllGather");
        var all = new double[own.Length * Size];
        _context.Download(target, all);
        return all;
    }

    /// <summary>Adds up gradients over all ranks, in their places, after multiplying each by a scale. Waits for all ranks.</summary>
    /// <param name="gradients">The gradients, of the same lengths on each rank.</param>
    /// <param name="scale">The scale.</param>
    internal void AddUp(IEnumerable<ArrayView<float>> gradients, float scale)
    {
        // What computes them is in another context, whose streams NCCL's does not wait for.
        _accelerator.Synchronize();
        using var entered = Enter();
        var library = s_library.Value;
        Check(library.CreateScaledSum(scale, _communicator, out var operation), "ncclRedOpCreatePreMulSum");
        try
        {
            foreach (var call in Calls(gradients))
            {
                var count = call.Sum(part => part.Length);
                Reserve(count * sizeof(float), "gradients on their way to other ranks");
                var address = _context.Memory;
                foreach (var part in call)
                {
                    _context.CopyIn(part, address);
                    address += (ulong)part.LengthInBytes;
                }

                Check(library.AllReduce(_context.Memory, count, operation, _communicator, _context.Stream), "ncclAllReduce");
                Wait("ncclAllReduce");
                address = _context.Memory;
                foreach (var part in call)
                {
                    _context.CopyOut(address, part);
                    address += (ulong)part.LengthInBytes;
                }

                _context.Synchronize();
            }
        }
        finally
        {
            if (_communicator != 0) _ = library.DestroyOperation(operation, _communicator);
        }
    }

    /// <summary>Takes the memory that <see cref="AddUp"/> of so many values needs, so that no rank finds out between two calls that it has none.</summary>
    internal void Prepare(long values)
    {
        using var entered = Enter();
        Reserve(Math.Min(values, ValuesPerCall) * sizeof(float), "gradients on their way to other ranks");
    }

    // Small gradients go together, and large ones in pieces.
    private IEnumerable<List<ArrayView<float>>> Calls(IEnumerable<ArrayView<float>> gradients)
    {
        var call = new List<ArrayView<float>>();
        var room = ValuesPerCall;
        foreach (var gradient in gradients)
        {
            for (long first = 0; first < gradient.Length;)
            {
                var part = gradient.SubView(first, Math.Min(room, gradient.Length - first));
                call.Add(part);
                (first, room) = (first + part.Length, room - part.Length);
                if (room > 0) continue;
                yield return call;
                (call, room) = ([], ValuesPerCall);
            }
        }

        if (call.Count > 0) yield return call;
    }

    private void Reserve(long bytes, string purpose)
    {
        try
        {
            _context.Reserve(bytes);
        }
        catch (CudaException exception) when (DeviceMemory.Explain(_accelerator, bytes, purpose, exception) is { } explained)
        {
            throw explained;
        }
    }

    private CurrentContext Enter()
    {
        ObjectDisposedException.ThrowIf(_communicator == 0, this);
        return _context.Enter();
    }

    // A rank that waits in the driver would wait for ever where another has failed.
    private void Wait(string call)
    {
        for (var spin = default(SpinWait); !_context.IsDone; spin.SpinOnce(sleep1Threshold: -1)) Check(s_library.Value.FindError(_communicator), call);
    }

    private void Check(int result, string call)
    {
        if (result == 0) return;
        var failure = Explain(result, call);
        var communicator = _communicator;
        _communicator = 0;
        if (communicator != 0)
        {
            _ = s_library.Value.Abort(communicator);
            try
            {
                // Copies that were begun end before somebody releases what they read.
                _context.Synchronize();
            }
            catch (CudaException)
            {
                // The first error is the one to tell.
            }
        }

        throw failure;
    }

    private NcclException Explain(int result, string call) => s_library.Value.Explain(result, call, FormattableString.Invariant($" on rank {Rank} of {Size}"));
}
