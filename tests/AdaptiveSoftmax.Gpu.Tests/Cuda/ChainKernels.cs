using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.Cuda;

/// <summary>Two kernels of which the second reads what the first wrote, and one that needs dynamic shared memory.</summary>
internal static class ChainKernels
{
    public const int Length = 64;

    public static void Double(ArrayView<float> input, ArrayView<float> doubled) =>
        doubled[Grid.GlobalIndex.X] = 2 * input[Grid.GlobalIndex.X];

    /// <summary>Reads another group's element, so that it is wrong where it does not wait for the first kernel.</summary>
    public static void AddReversed(ArrayView<float> doubled, ArrayView<float> sum) =>
        sum[Grid.GlobalIndex.X] += doubled[doubled.Length - 1 - Grid.GlobalIndex.X];

    public static void ReverseThroughSharedMemory(ArrayView<float> values)
    {
        var shared = SharedMemory.GetDynamic<float>();
        shared[shared.IntLength - 1 - Group.IdxX] = values[Group.IdxX];
        Group.Barrier();
        values[Group.IdxX] = shared[shared.IntLength - Group.DimX + Group.IdxX];
    }

    /// <summary>The chain, its input and its result on one accelerator.</summary>
    public sealed class Chain : IDisposable
    {
        private readonly MemoryBuffer1D<float, Stride1D.Dense> _input;
        private readonly MemoryBuffer1D<float, Stride1D.Dense> _doubled;
        private readonly MemoryBuffer1D<float, Stride1D.Dense> _sum;
        private readonly Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>> _double;
        private readonly Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>> _addReversed;

        public Chain(Accelerator accelerator)
        {
            _input = accelerator.Allocate1D<float>(Length);
            _doubled = accelerator.Allocate1D<float>(Length);
            _sum = accelerator.Allocate1D<float>(Length);
            _double = accelerator.LoadKernel<ArrayView<float>, ArrayView<float>>(Double);
            _addReversed = accelerator.LoadKernel<ArrayView<float>, ArrayView<float>>(AddReversed);
            _sum.MemSetToZero();
            accelerator.Synchronize();
        }

        public void Launch(AcceleratorStream stream)
        {
            KernelConfig config = (Length / 16, 16);
            _double(stream, config, _input.View, _doubled.View);
            _addReversed(stream, config, _doubled.View, _sum.View);
        }

        /// <summary>Sets every input to a multiple of its index.</summary>
        public void Fill(AcceleratorStream stream, int factor)
        {
            _input.View.CopyFromCPU(stream, Enumerable.Range(0, Length).Select(i => (float)(factor * i)).ToArray());
            stream.Synchronize();
        }

        /// <summary>Checks the sum, given the total of the factors of all runs.</summary>
        public void AssertSum(AcceleratorStream stream, int factors)
        {
            stream.Synchronize();
            Assert.Equal(Enumerable.Range(0, Length).Select(i => 2f * factors * (Length - 1 - i)), _sum.View.GetAsArray1D(stream));
        }

        public void Dispose()
        {
            _input.Dispose();
            _doubled.Dispose();
            _sum.Dispose();
        }
    }
}
