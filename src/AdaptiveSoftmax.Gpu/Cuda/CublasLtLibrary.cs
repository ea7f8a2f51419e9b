using System.Globalization;
using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.Gpu.Cuda;

/// <summary>
/// The functions of cuBLASLt that are used, under the names, with the signatures and the numbers of <c>cublasLt.h</c>, from version 12
/// on. On each call the device's context must be the thread's current one (<see cref="CurrentContext"/>).
/// </summary>
internal sealed unsafe class CublasLtLibrary
{
    /// <summary>The environment variable that names the file.</summary>
    public const string Variable = "ADAPTIVE_SOFTMAX_CUBLASLT";

    private const int Success = 0; // CUBLAS_STATUS_SUCCESS
    private const int NotSupported = 15; // CUBLAS_STATUS_NOT_SUPPORTED
    private const int FastTf32 = 77; // CUBLAS_COMPUTE_32F_FAST_TF32
    private const int Float32 = 0; // CUDA_R_32F
    private const int Transposed = 1; // CUBLAS_OP_T
    private const uint WithBias = 4; // CUBLASLT_EPILOGUE_BIAS

    // CUBLASLT_MATMUL_DESC_...
    private const int TransposeA = 3, TransposeB = 4, Epilogue = 7, BiasPointer = 8;

    // CUBLASLT_MATMUL_PREF_...
    private const int MostWorkspaceBytes = 1, AlignmentA = 5, AlignmentB = 6, AlignmentC = 7, AlignmentD = 8;

    // A failure is not kept: the variable may be set when it is tried again.
    private static readonly Lazy<CublasLtLibrary> s_instance = new(
        () => Load(Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named ? named : null), LazyThreadSafetyMode.PublicationOnly);

    private readonly nint _library;
    private readonly string _path;
    private readonly delegate* unmanaged<nint*, int> _create;
    private readonly delegate* unmanaged<nint, int> _destroy;
    private readonly delegate* unmanaged<int, byte*> _getStatusName;
    private readonly delegate* unmanaged<int, byte*> _getStatusString;
    private readonly delegate* unmanaged<nint*, int, int, int> _operationCreate;
    private readonly delegate* unmanaged<nint, int, void*, nuint, int> _operationSetAttribute;
    private readonly delegate* unmanaged<nint, int> _operationDestroy;
    private readonly delegate* unmanaged<nint*, int, ulong, ulong, long, int> _layoutCreate;
    private readonly delegate* unmanaged<nint, int> _layoutDestroy;
    private readonly delegate* unmanaged<nint*, int> _preferenceCreate;
    private readonly delegate* unmanaged<nint, int, void*, nuint, int> _preferenceSetAttribute;
    private readonly delegate* unmanaged<nint, int> _preferenceDestroy;
    private readonly delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, int, CublasLtProposal*, int*, int> _getHeuristic;
    private readonly delegate* unmanaged<nint, nint, float*, nint, nint, nint, nint, float*, nint, nint, nint, nint, CublasLtAlgorithm*, nint, nuint, nint, int> _matmul;

    private CublasLtLibrary(nint library, string path)
    {
        (_library, _path) = (library, path);
        var getProperty = (delegate* unmanaged<int, int*, int>)Find("cublasLtGetProperty");
        _getStatusName = (delegate* unmanaged<int, byte*>)Find("cublasLtGetStatusName");
        _getStatusString = (delegate* unmanaged<int, byte*>)Find("cublasLtGetStatusString");
        _create = (delegate* unmanaged<nint*, int>)Find("cublasLtCreate");
        _destroy = (delegate* unmanaged<nint, int>)Find("cublasLtDestroy");
        _operationCreate = (delegate* unmanaged<nint*, int, int, int>)Find("cublasLtMatmulDescCreate");
        _operationSetAttribute = (delegate* unmanaged<nint, int, void*, nuint, int>)Find("cublasLtMatmulDescSetAttribute");
        _operationDestroy = (delegate* unmanaged<nint, int>)Find("cublasLtMatmulDescDestroy");
        _layoutCreate = (delegate* unmanaged<nint*, int, ulong, ulong, long, int>)Find("cublasLtMatrixLayoutCreate");
        _layoutDestroy = (delegate* unmanaged<nint, int>)Find("cublasLtMatrixLayoutDestroy");
        _preferenceCreate = (delegate* unmanaged<nint*, int>)Find("cublasLtMatmulPreferenceCreate");
        _preferenceSetAttribute = (delegate* unmanaged<nint, int, void*, nuint, int>)Find("cublasLtMatmulPreferenceSetAttribute");
        _preferenceDestroy = (delegate* unmanaged<nint, int>)Find("cublasLtMatmulPreferenceDestroy");
        _getHeuristic = (delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, int, CublasLtProposal*, int*, int>)Find("cublasLtMatmulAlgoGetHeuristic");
        _matmul = (delegate* unmanaged<nint, nint, float*, nint, nint, nint, nint, float*, nint, nint, nint, nint, CublasLtAlgorithm*, nint, nuint, nint, int>)Find("cublasLtMatmul");
        int major, minor, patch;
        Check(getProperty(0, &major), "cublasLtGetProperty");
        Check(getProperty(1, &minor), "cublasLtGetProperty");
        Check(getProperty(2, &patch), "cublasLtGetProperty");
        Version = string.Create(CultureInfo.InvariantCulture, $"{major}.{minor}.{patch}");
    }

    /// <summary>That of this machine.</summary>
    /// <exception cref="CublasException">There is none, or it is none that is known.</exception>
    public static CublasLtLibrary Instance => s_instance.Value;

    /// <summary>The version, such as 12.8.4.</summary>
    public string Version { get; }

    /// <summary>Loads it.</summary>
    /// <param name="path">The file; null to look for it.</param>
    /// <exception cref="CublasException">There is none, or it is none that is known.</exception>
    public static CublasLtLibrary Load(string? path)
    {
        string[] usual = OperatingSystem.IsWindows() ? ["cublasLt64_13.dll", "cublasLt64_12.dll"] : ["libcublasLt.so.13", "libcublasLt.so.12"];
        string[] names = path is null ? usual : [path];
        foreach (var name in names)
        {
            if (NativeLibrary.TryLoad(name, out var library)) return new CublasLtLibrary(library, name);
        }

        throw new CublasException(path is null
            ? $"There is no cuBLASLt: none of {string.Join(", ", names)} can be loaded. Install it (NVIDIA's packages libcublas-12 and libcublas-13; PyTorch's wheels bring it in a folder nvidia/*/lib), put its folder on the loader's path, or name its file by {Variable}."
            : $"The library '{path}', which {Variable} names, cannot be loaded. Name the file {usual[0]} or {usual[1]} of an installed cuBLAS, or unset the variable.");
    }

    /// <summary>A handle for the current context.</summary>
    public nint CreateHandle()
    {
        nint handle;
        Check(_create(&handle), "cublasLtCreate");
        return handle;
    }

    /// <summary>Releases a handle.</summary>
    public void DestroyHandle(nint handle) => _ = _destroy(handle);

    /// <summary>A product of float32 matrices in tf32 with float32 sums.</summary>
    /// <param name="transposeA">Whether the first matrix is transposed.</param>
    /// <param name="transposeB">Whether the second one is.</param>
    /// <param name="hasBias">Whether a vector is added to each column of the result.</param>
    public nint CreateOperation(bool transposeA, bool transposeB, bool hasBias)
    {
        nint operation;
        Check(_operationCreate(&operation, FastTf32, Float32), "cublasLtMatmulDescCreate");
        try
        {
            if (transposeA) SetOperation(operation, TransposeA, Transposed);
            if (transposeB) SetOperation(operation, TransposeB, Transposed);
            if (hasBias) SetOperation(operation, Epilogue, WithBias);
            return operation;
        }
        catch
        {
            DestroyOperation(operation);
            throw;
        }
    }

    /// <summary>Says which vector an operation adds.</summary>
    public void SetBias(nint operation, nint bias) => SetOperation(operation, BiasPointer, bias);

    /// <summary>Releases an operation.</summary>
    public void DestroyOperation(nint operation) => _ = _operationDestroy(operation);

    /// <summary>The layout of a matrix.</summary>
    public nint CreateLayout(CublasLtMatrix matrix)
    {
        nint layout;
        Check(_layoutCreate(&layout, Float32, (ulong)matrix.Rows, (ulong)matrix.Columns, matrix.Stride), "cublasLtMatrixLayoutCreate");
        return layout;
    }

    /// <summary>Releases a layout.</summary>
    public void DestroyLayout(nint layout) => _ = _layoutDestroy(layout);

    /// <summary>What algorithms may use and rely on.</summary>
    /// <param name="workspaceBytes">The bytes of the workspace.</param>
    /// <param name="alignment">The bytes that all matrices are aligned to.</param>
    public nint CreatePreference(ulong workspaceBytes, uint alignment)
    {
        nint preference;
        Check(_preferenceCreate(&preference), "cublasLtMatmulPreferenceCreate");
        try
        {
            SetPreference(preference, MostWorkspaceBytes, workspaceBytes);
            foreach (var attribute in (ReadOnlySpan<int>)[AlignmentA, AlignmentB, AlignmentC, AlignmentD]) SetPreference(preference, attribute, alignment);
            return preference;
        }
        catch
        {
            DestroyPreference(preference);
            throw;
        }
    }

    /// <summary>Releases a preference.</summary>
    public void DestroyPreference(nint preference) => _ = _preferenceDestroy(preference);

    /// <summary>The algorithm that the library takes for the best.</summary>
    public CublasLtAlgorithm FindAlgorithm(nint handle, nint operation, nint a, nint b, nint result, nint preference)
    {
        CublasLtProposal proposal;
        int count;
        Check(_getHeuristic(handle, operation, a, b, result, result, preference, 1, &proposal, &count), "cublasLtMatmulAlgoGetHeuristic");
        Check(count == 0 ? NotSupported : proposal.Status, "cublasLtMatmulAlgoGetHeuristic");
        return proposal.Algorithm;
    }

    /// <summary>result = op(a) · op(b) (+ bias) + beta · result.</summary>
    public void Multiply(
        nint handle, nint operation, nint a, nint layoutOfA, nint b, nint layoutOfB, float beta, nint result, nint layoutOfResult, CublasLtAlgorithm algorithm,
        nint workspace, long workspaceBytes, nint stream)
    {
        var alpha = 1f;
        Check(
            _matmul(
                handle, operation, &alpha, a, layoutOfA, b, layoutOfB, &beta, result, layoutOfResult, result, layoutOfResult, &algorithm, workspace, (nuint)workspaceBytes, stream),
            "cublasLtMatmul");
    }

    private void SetOperation<T>(nint operation, int attribute, T value)
        where T : unmanaged => Check(_operationSetAttribute(operation, attribute, &value, (nuint)sizeof(T)), "cublasLtMatmulDescSetAttribute");

    private void SetPreference<T>(nint preference, int attribute, T value)
        where T : unmanaged => Check(_preferenceSetAttribute(preference, attribute, &value, (nuint)sizeof(T)), "cublasLtMatmulPreferenceSetAttribute");

    private void Check(int status, string call)
    {
        if (status == Success) return;
        var remedy = status == NotSupported
            ? "Install another version, or create the layer for products in float32."
            : "Set CUBLASLT_LOG_LEVEL=5 in its environment: cuBLASLt then says more.";
        throw new CublasException(FormattableString.Invariant(
            $"{call} failed: {Text(_getStatusName(status))} ({status}), {Text(_getStatusString(status))} (cuBLASLt {Version ?? "of unknown version"}, '{_path}'). {remedy}"));
    }

    private static string? Text(byte* text) => Marshal.PtrToStringUTF8((nint)text);

    private nint Find(string name) =>
        NativeLibrary.TryGetExport(_library, name, out var address) ? address : throw new CublasException($"'{_path}' has no {name}, which cuBLASLt has from version 12 on. Install a newer one, or name its file by {Variable}.");
}
