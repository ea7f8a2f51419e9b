using AdaptiveSoftmax.Gpu.Cuda;
using ILGPU;

namespace AdaptiveSoftmax.Gpu.Tests.Cuda;

[Collection(Backend.Collection)]
public sealed class DriverLibrariesTests
{
    [Fact]
    public void OpenClWithoutItsLink_IsFoundForILGPUAlone()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux has names with a version.");
        Assert.NotNull(Backend.OpenCl);
        Assert.NotEqual(0, DriverLibraries.Resolve(typeof(Context).Assembly, "OpenCL"));
        Assert.Equal(0, DriverLibraries.Resolve(typeof(DriverLibrariesTests).Assembly, "OpenCL"));
        Assert.Equal(0, DriverLibraries.Resolve(typeof(Context).Assembly, "nothing of that name"));
    }

    [Fact]
    public void Load_TakesTheFirstThatThereIs()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "libc.so.6 is Linux's.");
        Assert.Equal(DriverLibraries.Load("libc.so.6"), DriverLibraries.Load("libnothing-of-that-name.so.1", "libc.so.6"));
        Assert.Equal(0, DriverLibraries.Load("libnothing-of-that-name.so.1"));
    }
}
