using System.Reflection;
using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.CudaEmulation.Tests.Driver;

/// <summary>
/// The functions of <c>libcuda.so.1</c> that ILGPU and this library call, under their names and with their signatures.
/// What is missing here is missing in the library, so that a call of it says so.
/// </summary>
internal static unsafe partial class CudaExports
{
    private static readonly Dictionary<CudaStatus, nint> s_texts = [];

    private static string s_failure = "";

    /// <summary>The devices.</summary>
    public static CudaDevice Device { get; } = new();

    /// <summary>The functions by name.</summary>
    public static IEnumerable<(string Name, nint Function)> Functions =>
        from method in typeof(CudaExports).GetMethods(BindingFlags.Static | BindingFlags.NonPublic)
        where method.GetCustomAttribute<UnmanagedCallersOnlyAttribute>() is not null
        orderby method.Name
        select (method.Name, method.MethodHandle.GetFunctionPointer());

    // Exceptions must not reach the caller, who knows only numbers.
    private static CudaStatus Call(Action action)
    {
        lock (Device)
        {
            try
            {
                if (!Device.IsInitialized) throw new CudaFailure(CudaStatus.NotInitialized, "cuInit was not called.");
                action();
                return CudaStatus.Success;
            }
            catch (CudaFailure failure)
            {
                s_failure = failure.Message;
                return failure.Status;
            }
            catch (Exception exception)
            {
                s_failure = exception.ToString();
                return CudaStatus.Unknown;
            }
        }
    }

    [UnmanagedCallersOnly]
    private static CudaStatus cuInit(uint flags)
    {
        lock (Device) Device.IsInitialized = true;
        return flags == 0 ? CudaStatus.Success : CudaStatus.InvalidValue;
    }

    [UnmanagedCallersOnly]
    private static CudaStatus cuDriverGetVersion(int* version)
    {
        *version = CudaAttributes.DriverVersion;
        return CudaStatus.Success;
    }

    [UnmanagedCallersOnly]
    private static CudaStatus cuGetErrorName(CudaStatus error, nint* text) => Text(error, text, isName: true);

    // Unlike the driver's own text it has the last failure's details.
    [UnmanagedCallersOnly]
    private static CudaStatus cuGetErrorString(CudaStatus error, nint* text) => Text(error, text, isName: false);

    private static CudaStatus Text(CudaStatus error, nint* text, bool isName)
    {
        lock (Device)
        {
            *text = 0;
            if (!Enum.IsDefined(error)) return CudaStatus.InvalidValue;
            if (isName)
            {
                if (!s_texts.TryGetValue(error, out *text)) s_texts.Add(error, *text = Marshal.StringToCoTaskMemUTF8(Name(error)));
                return CudaStatus.Success;
            }

            // The caller reads it at some time and never frees it: there are few failures.
            *text = Marshal.StringToCoTaskMemUTF8(error == CudaStatus.Success ? "no error" : s_failure);
            return CudaStatus.Success;
        }
    }

    // InvalidValue is CUDA_ERROR_INVALID_VALUE.
    private static string Name(CudaStatus error) => error == CudaStatus.Success
        ? "CUDA_SUCCESS"
        : "CUDA_ERROR" + string.Concat(error.ToString().Select(letter => char.IsUpper(letter) ? $"_{letter}" : $"{char.ToUpperInvariant(letter)}"));

    [UnmanagedCallersOnly]
    private static CudaStatus cuDeviceGetCount(int* count) => Call(() => *count = CudaAttributes.Devices);

    [UnmanagedCallersOnly]
    private static CudaStatus cuDeviceGet(int* device, int ordinal) => Call(() =>
    {
        RequireDevice(ordinal);
        *device = ordinal;
    });

    [UnmanagedCallersOnly]
    private static CudaStatus cuDeviceGetName(byte* name, int length, int device) => Call(() =>
    {
        RequireDevice(device);
        var bytes = System.Text.Encoding.ASCII.GetBytes(CudaAttributes.Name + '\0');
        bytes.AsSpan(0, Math.Min(length, bytes.Length)).CopyTo(new Span<byte>(name, length));
    });

    [UnmanagedCallersOnly]
    private static CudaStatus cuDeviceTotalMem_v2(nint* bytes, int device) => Call(() =>
    {
        RequireDevice(device);
        *bytes = (nint)CudaAttributes.MemoryBytes;
    });

    [UnmanagedCallersOnly]
    private static CudaStatus cuDeviceGetAttribute(int* value, int attribute, int device) => Call(() =>
    {
        RequireDevice(device);
        *value = CudaAttributes.Find(attribute, device) ?? throw new CudaFailure(CudaStatus.InvalidValue, $"The attribute {attribute} is not known.");
    });

    [UnmanagedCallersOnly]
    private static CudaStatus cuCtxCreate_v2(nint* context, uint flags, int device) => Call(() =>
    {
        RequireDevice(device);
        var created = new CudaContext(device);
        *context = Device.Add(created);
        CudaDevice.SetCurrent(created);
    });

    [UnmanagedCallersOnly]
    private static CudaStatus cuCtxDestroy_v2(nint context) => Call(() =>
    {
        var destroyed = Device.Remove<CudaContext>(context);
        if (destroyed.Fault is null) destroyed.FinishAll();
        foreach (var buffer in destroyed.Buffers) Device.Memory.Free(buffer);
        if (CudaDevice.IsCurrent(destroyed)) CudaDevice.SetCurrent(null);
    });

    [UnmanagedCallersOnly]
    private static CudaStatus cuCtxSetCurrent(nint context) => Call(() => CudaDevice.SetCurrent(context == 0 ? null : Device.Get<CudaContext>(context)));

    [UnmanagedCallersOnly]
    private static CudaStatus cuCtxPushCurrent_v2(nint context) => Call(() => CudaDevice.Push(Device.Get<CudaContext>(context)));

    [UnmanagedCallersOnly]
    private static CudaStatus cuCtxPopCurrent_v2(nint* context) => Call(() =>
    {
        *context = 0; // nobody asks for it
        CudaDevice.Pop();
    });

    [UnmanagedCallersOnly]
    private static CudaStatus cuDevicePrimaryCtxRetain(nint* context, int device) => Call(() =>
    {
        RequireDevice(device);
        *context = Device.RetainPrimary(device);
    });

    [UnmanagedCallersOnly]
    private static CudaStatus cuDevicePrimaryCtxRelease_v2(int device) => Call(() => Device.ReleasePrimary(device));

    [UnmanagedCallersOnly]
    private static CudaStatus cuCtxSynchronize() => Call(() => CudaDevice.CurrentForWaiting("cuCtxSynchronize").FinishAll());

    [UnmanagedCallersOnly]
    private static CudaStatus cuCtxGetCacheConfig(int* config) => Call(() => *config = 0);

    [UnmanagedCallersOnly]
    private static CudaStatus cuCtxGetSharedMemConfig(int* config) => Call(() => *config = 1);

    private static void RequireDevice(int device)
    {
        if (device < 0 || device >= CudaAttributes.Devices) throw new CudaFailure(CudaStatus.InvalidDevice, $"There is no device {device}.");
    }
}
