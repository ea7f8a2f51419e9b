using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using AdaptiveSoftmax.CudaEmulation.Tests.Driver;
using AdaptiveSoftmax.Gpu.Cuda;
using AdaptiveSoftmax.Gpu.Tests.Emulation;

namespace AdaptiveSoftmax.CudaEmulation.Tests.Cublas;

/// <summary>
/// The functions of <c>libcublasLt.so.13</c> that this library calls, on the emulated device. As the real ones they return before a
/// product is computed, in the order of its stream. Unlike them, which would read elsewhere or take another context's memory, they
/// refuse a call in another context than the handle's, sizes that do not agree, memory outside of buffers, addresses and strides that tensor
/// cores do not take, and an algorithm that was proposed for another product.
/// </summary>
internal static unsafe class CublasLtExports
{
    private const int FastTf32 = 77, Float32 = 0;

    private static readonly Dictionary<nint, object> s_objects = [];
    private static readonly Dictionary<ulong, LtProposal> s_proposals = [];
    private static readonly Dictionary<LtStatus, nint> s_names = [];

    private static nint s_next = 0x3000;

    private static string s_failure = "";

    /// <summary>The functions by name.</summary>
    public static IEnumerable<(string Name, nint Function)> Functions =>
        from method in typeof(CublasLtExports).GetMethods(BindingFlags.Static | BindingFlags.NonPublic)
        where method.GetCustomAttribute<UnmanagedCallersOnlyAttribute>() is not null
        orderby method.Name
        select (method.Name, method.MethodHandle.GetFunctionPointer());

    /// <summary>The products so far.</summary>
    public static int Products { get; private set; }

    /// <summary>How often it was asked for an algorithm.</summary>
    public static int Questions { get; private set; }

    /// <summary>The handles and descriptors that nobody has destroyed.</summary>
    public static int Left => s_objects.Count;

    /// <summary>Whether factors are rounded to tf32, as devices do; sums are float64, rounded to float32 at the end.</summary>
    public static bool RoundsFactors { get; set; } = true;

    /// <summary>A function that is to fail, and with what.</summary>
    public static (string Call, LtStatus Status)? Failing { get; set; }

    /// <summary>A value as tf32 has it: the fraction rounded to 10 bits.</summary>
    public static float Round(float value) =>
        float.IsFinite(value) ? BitConverter.UInt32BitsToSingle((BitConverter.SingleToUInt32Bits(value) + 0x1000) & ~0x1FFFu) : value;

    [UnmanagedCallersOnly]
    private static LtStatus cublasLtGetProperty(int property, int* value) => Call(nameof(cublasLtGetProperty), () => *value = property switch
    {
        0 => 13,
        1 => 1,
        2 => 3,
        _ => throw new LtFailure(LtStatus.InvalidValue, $"There is no property {property}."),
    });

    [UnmanagedCallersOnly]
    private static nint cublasLtGetStatusName(LtStatus status)
    {
        lock (s_names) return s_names.TryGetValue(status, out var name) ? name : s_names[status] = Marshal.StringToCoTaskMemUTF8(Name(status));
    }

    // Unlike the library's own text it has the failure's details. The caller reads it at once and never frees it: there are few failures.
    [UnmanagedCallersOnly]
    private static nint cublasLtGetStatusString(LtStatus status) => Marshal.StringToCoTaskMemUTF8(status == LtStatus.Success ? "no error" : s_failure);

    [UnmanagedCallersOnly]
    private static LtStatus cublasLtCreate(nint* handle) => Call(nameof(cublasLtCreate), () => *handle = Add(new LtHandle(CudaDevice.CurrentForWaiting("cublasLtCreate"))));

    [UnmanagedCallersOnly]
    private static LtStatus cublasLtDestroy(nint handle) => Call(nameof(cublasLtDestroy), () =>
    {
        var context = Handle(handle).Context;
        if (context.Fault is null) context.FinishAll();
        s_objects.Remove(handle);
    });

    [UnmanagedCallersOnly]
    private static LtStatus cublasLtMatmulDescCreate(nint* operation, int computeType, int scaleType) => Call(nameof(cublasLtMatmulDescCreate), () =>
    {
        if (computeType != FastTf32 || scaleType != Float32) throw new LtFailure(LtStatus.NotSupported, $"Sums of the type {computeType} and scales of the type {scaleType} are not known here.");
        *operation = Add(new LtOperation());
    });

    [UnmanagedCallersOnly]
    private static LtStatus cublasLtMatmulDescSetAttribute(nint operation, int attribute, void* value, nuint size) => Call(nameof(cublasLtMatmulDescSetAttribute), () =>
    {
        var found = Get<LtOperation>(operation);
        switch (attribute)
        {
            case 3: found.TransposeA = IsTransposed(Read<int>(value, size)); break;
            case 4: found.TransposeB = IsTransposed(Read<int>(value, size)); break;
            case 7: found.HasBias = HasBias(Read<uint>(value, size)); break;
            case 8: found.Bias = Read<ulong>(value, size); break;
            default: throw Unknown(attribute);
        }
    });

    [UnmanagedCallersOnly]
    private static LtStatus cublasLtMatmulDescDestroy(nint operation) => Call(nameof(cublasLtMatmulDescDestroy), () => Remove<LtOperation>(operation));

    [UnmanagedCallersOnly]
    private static LtStatus cublasLtMatrixLayoutCreate(nint* layout, int type, ulong rows, ulong columns, long stride) => Call(nameof(cublasLtMatrixLayoutCreate), () =>
    {
        if (type != Float32) throw new LtFailure(LtStatus.NotSupported, $"Matrices of the type {type} are not known here.");
        if (rows == 0 || columns == 0 || stride < (long)rows) throw new LtFailure(LtStatus.InvalidValue, $"A matrix [{rows}, {columns}] has no stride of {stride}.");
        *layout = Add(new LtLayout(checked((int)rows), checked((int)columns), checked((int)stride)));
    });

    [UnmanagedCallersOnly]
    private static LtStatus cublasLtMatrixLayoutDestroy(nint layout) => Call(nameof(cublasLtMatrixLayoutDestroy), () => Remove<LtLayout>(layout));

    [UnmanagedCallersOnly]
    private static LtStatus cublasLtMatmulPreferenceCreate(nint* preference) => Call(nameof(cublasLtMatmulPreferenceCreate), () => *preference = Add(new LtPreference()));

    [UnmanagedCallersOnly]
    private static LtStatus cublasLtMatmulPreferenceSetAttribute(nint preference, int attribute, void* value, nuint size) => Call(nameof(cublasLtMatmulPreferenceSetAttribute), () =>
    {
        var found = Get<LtPreference>(preference);
        if (attribute == 1) found.WorkspaceBytes = Read<ulong>(value, size);
        else if (attribute is >= 5 and <= 8) found.Alignments[attribute - 5] = Read<uint>(value, size);
        else throw Unknown(attribute);
    });

    [UnmanagedCallersOnly]
    private static LtStatus cublasLtMatmulPreferenceDestroy(nint preference) => Call(nameof(cublasLtMatmulPreferenceDestroy), () => Remove<LtPreference>(preference));

    [UnmanagedCallersOnly]
    private static LtStatus cublasLtMatmulAlgoGetHeuristic(
        nint handle, nint operation, nint a, nint b, nint c, nint d, nint preference, int most, CublasLtProposal* proposals, int* count) => Call(nameof(cublasLtMatmulAlgoGetHeuristic), () =>
    {
        *count = 0;
        Questions++;
        if (most <= 0) throw new LtFailure(LtStatus.InvalidValue, $"{most} algorithms were asked for.");
        var (context, asked, wish) = (Handle(handle).Context, Get<LtOperation>(operation), Get<LtPreference>(preference));
        var (layoutOfA, layoutOfB, result) = (Get<LtLayout>(a), Get<LtLayout>(b), Get<LtLayout>(d));
        if (Get<LtLayout>(c) != result) throw new LtFailure(LtStatus.InvalidValue, "C and D have different layouts.");
        CheckSizes(asked, layoutOfA, layoutOfB, result);
        if (asked.HasBias && asked.Bias == 0) throw new LtFailure(LtStatus.InvalidValue, "The bias is asked for its alignment, and there is none.");

        // Enough to be noticed where it is too little or elsewhere.
        var workspace = Math.Min((long)wish.WorkspaceBytes, 4L * result.Rows * result.Columns);
        var number = (ulong)s_proposals.Count + 1;
        s_proposals.Add(number, new LtProposal(context, asked with { Bias = 0 }, layoutOfA, layoutOfB, result, [.. wish.Alignments], workspace));
        *proposals = default;
        proposals->WorkspaceBytes = (nuint)workspace;
        *(ulong*)&proposals->Algorithm = number;
        *count = 1;
    });

    [UnmanagedCallersOnly]
    private static LtStatus cublasLtMatmul(
        nint handle, nint operation, float* alpha, ulong a, nint layoutOfA, ulong b, nint layoutOfB, float* beta, ulong c, nint layoutOfC, ulong d, nint layoutOfD,
        CublasLtAlgorithm* algorithm, ulong workspace, nuint workspaceBytes, nint stream) => Call(nameof(cublasLtMatmul), () =>
    {
        Products++;
        var (context, asked) = (Handle(handle).Context, Get<LtOperation>(operation));
        var product = new LtProduct(asked with { }, a, Get<LtLayout>(layoutOfA), b, Get<LtLayout>(layoutOfB), d, Get<LtLayout>(layoutOfD), *alpha, *beta);
        if (c != d || Get<LtLayout>(layoutOfC) != product.LayoutOfResult) throw new LtFailure(LtStatus.NotSupported, "C is another matrix than D.");
        if (algorithm == null || !s_proposals.TryGetValue(*(ulong*)algorithm, out var proposal)) throw new LtFailure(LtStatus.InvalidValue, "The algorithm is none that was proposed.");
        if (proposal.Context != context || proposal.Operation != asked with { Bias = 0 } || proposal.A != product.LayoutOfA || proposal.B != product.LayoutOfB || proposal.Result != product.LayoutOfResult)
            throw new LtFailure(LtStatus.InvalidValue, "The algorithm was proposed for another product.");
        product.Check(context, proposal.Alignments);
        if (workspace % 256 != 0 || (long)workspaceBytes < proposal.WorkspaceBytes) throw new LtFailure(LtStatus.InvalidValue, $"The algorithm writes to {proposal.WorkspaceBytes} bytes of workspace, and has {workspaceBytes} at {workspace:x}.");
        LtProduct.CheckMemory(context, workspace, (long)workspaceBytes, "The workspace");
        CudaExports.Device.Stream(stream).Add(() =>
        {
            CudaExports.Device.Memory.Span(workspace, proposal.WorkspaceBytes).Fill(0xEE);
            product.Compute(RoundsFactors);
        });
    });

    private static void CheckSizes(LtOperation operation, LtLayout a, LtLayout b, LtLayout result)
    {
        var (rows, depth) = operation.TransposeA ? (a.Columns, a.Rows) : (a.Rows, a.Columns);
        var (otherDepth, columns) = operation.TransposeB ? (b.Columns, b.Rows) : (b.Rows, b.Columns);
        if (rows != result.Rows || columns != result.Columns || depth != otherDepth)
            throw new LtFailure(LtStatus.InvalidValue, $"[{rows}, {depth}] times [{otherDepth}, {columns}] is no [{result.Rows}, {result.Columns}].");
    }

    // InvalidValue is CUBLAS_STATUS_INVALID_VALUE.
    private static string Name(LtStatus status) => "CUBLAS_STATUS" + string.Concat(status.ToString().Select(letter => char.IsUpper(letter) ? $"_{letter}" : $"{char.ToUpperInvariant(letter)}"));

    private static bool IsTransposed(int value) => value switch { 0 => false, 1 => true, _ => throw new LtFailure(LtStatus.InvalidValue, $"The transposition {value} is not known here.") };

    private static bool HasBias(uint epilogue) => epilogue switch { 1 => false, 4 => true, _ => throw new LtFailure(LtStatus.InvalidValue, $"The epilogue {epilogue} is not known here.") };

    private static LtFailure Unknown(int attribute) => new(LtStatus.InvalidValue, $"The attribute {attribute} is not known here.");

    private static T Read<T>(void* value, nuint size)
        where T : unmanaged => size == (nuint)sizeof(T) ? Unsafe.ReadUnaligned<T>(value) : throw new LtFailure(LtStatus.InvalidValue, $"The attribute has {sizeof(T)} bytes, and {size} were given.");

    private static LtHandle Handle(nint handle)
    {
        var found = Get<LtHandle>(handle);
        return CudaDevice.IsCurrent(found.Context) ? found : throw new LtFailure(LtStatus.InvalidValue, "The handle's context is not the thread's current one.");
    }

    private static nint Add(object item)
    {
        s_objects.Add(s_next += 16, item);
        return s_next;
    }

    private static T Get<T>(nint handle)
        where T : class => s_objects.TryGetValue(handle, out var item) && item is T found ? found : throw new LtFailure(LtStatus.InvalidValue, $"{handle:x} is no {typeof(T).Name}.");

    private static void Remove<T>(nint handle)
        where T : class
    {
        Get<T>(handle);
        s_objects.Remove(handle);
    }

    private static LtStatus Call(string name, Action action)
    {
        lock (CudaExports.Device)
        {
            try
            {
                if (Failing is { } failing && failing.Call == name) throw new LtFailure(failing.Status, "It was told to fail.");
                action();
                return LtStatus.Success;
            }
            catch (LtFailure failure)
            {
                s_failure = failure.Message;
                return failure.Status;
            }
            catch (Exception exception)
            {
                s_failure = exception is CudaFailure or PtxException ? exception.Message : exception.ToString();
                return LtStatus.InternalError;
            }
        }
    }
}
