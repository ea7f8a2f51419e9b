using System.Runtime.InteropServices;
using System.Text;
using AdaptiveSoftmax.Gpu.Tests.Emulation;

namespace AdaptiveSoftmax.CudaEmulation.Tests.Driver;

// Modules, kernels and their launches.
internal static unsafe partial class CudaExports
{
    private const int ErrorLog = 5, ErrorLogSize = 6; // CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES
    private const int MaximumDynamicShared = 8; // CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES

    [UnmanagedCallersOnly]
    private static CudaStatus cuModuleLoadDataEx(nint* module, byte* text, int count, int* options, void** values) => Call(() =>
    {
        CudaDevice.CurrentForWaiting("cuModuleLoadDataEx");
        try
        {
            *module = Device.Add(new CudaFunction(PtxParser.Parse(Marshal.PtrToStringUTF8((nint)text)!)));
        }
        catch (PtxException exception)
        {
            WriteLog(exception.Message, new(options, count), values);
            throw new CudaFailure(CudaStatus.InvalidPtx, exception.Message);
        }
    });

    [UnmanagedCallersOnly]
    private static CudaStatus cuModuleUnload(nint module) => Call(() => Device.Remove<CudaFunction>(module));

    // A module of ILGPU's has one kernel, whose handle is the module's.
    [UnmanagedCallersOnly]
    private static CudaStatus cuModuleGetFunction(nint* function, nint module, byte* name) => Call(() =>
    {
        var wanted = Marshal.PtrToStringUTF8((nint)name);
        if (Device.Get<CudaFunction>(module).Program.Name != wanted) throw new CudaFailure(CudaStatus.NotFound, $"The module has no kernel {wanted}.");
        *function = module;
    });

    [UnmanagedCallersOnly]
    private static CudaStatus cuFuncSetAttribute(nint function, int attribute, int value) => Call(() =>
    {
        _ = CudaDevice.Current;
        if (attribute != MaximumDynamicShared) throw new CudaFailure(CudaStatus.InvalidValue, $"The attribute {attribute} is not known.");
        Device.Get<CudaFunction>(function).MaximumDynamicShared = value;
    });

    [UnmanagedCallersOnly]
    private static CudaStatus cuLaunchKernel(
        nint function, uint gridX, uint gridY, uint gridZ, uint groupX, uint groupY, uint groupZ, uint sharedBytes, nint stream, void** parameters, void** extra) => Call(() =>
    {
        var on = Device.Stream(stream);
        var kernel = Device.Get<CudaFunction>(function);
        if (parameters != null) throw new CudaFailure(CudaStatus.InvalidValue, "Arguments one by one are not known, only all in one buffer.");
        var launch = kernel.Prepare(
            Device.Memory, new((int)gridX, (int)gridY, (int)gridZ), new((int)groupX, (int)groupY, (int)groupZ), (int)sharedBytes, ReadArguments(extra));
        on.Add(() =>
        {
            Device.Launches[kernel.Program.Name] = Device.Launches.GetValueOrDefault(kernel.Program.Name) + 1;
            launch();
        });
    });

    // Pairs of a constant and a pointer: 1 and the buffer, 2 and where its size is, 0.
    private static byte[] ReadArguments(void** extra)
    {
        void* buffer = null;
        nint size = 0;
        for (; *extra != null; extra += 2)
        {
            switch ((nint)extra[0])
            {
                case 1:
                    buffer = extra[1];
                    break;
                case 2:
                    size = *(nint*)extra[1];
                    break;
                default:
                    throw new CudaFailure(CudaStatus.InvalidValue, $"The launch's extra option {(nint)extra[0]} is not known.");
            }
        }

        return new ReadOnlySpan<byte>(buffer, checked((int)size)).ToArray();
    }

    private static void WriteLog(string message, ReadOnlySpan<int> options, void** values)
    {
        var (log, size) = (options.IndexOf(ErrorLog), options.IndexOf(ErrorLogSize));
        if (log < 0 || size < 0) return;
        var target = new Span<byte>(values[log], (int)(nint)values[size]);
        target.Clear();
        var bytes = Encoding.ASCII.GetBytes(message);
        bytes.AsSpan(0, Math.Min(bytes.Length, target.Length - 1)).CopyTo(target);
    }
}
