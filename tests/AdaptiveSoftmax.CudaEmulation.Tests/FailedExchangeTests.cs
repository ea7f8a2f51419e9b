using AdaptiveSoftmax.CudaEmulation.Tests.Driver;
using AdaptiveSoftmax.Gpu;
using AdaptiveSoftmax.Gpu.Tests;
using AdaptiveSoftmax.Gpu.Tests.Generated;
using AdaptiveSoftmax.Vocabulary;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.CudaEmulation.Tests;

/// <summary>
/// A batch larger than those before, for which the device has room for some of the working memory and not for all: tried
/// with each number of buffers that may still be had.
/// </summary>
[Collection(Backend.Collection)]
public sealed class FailedExchangeTests
{
    private const int Few = 2;
    private const int Many = 18;

    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(24, 90, [20, 50], [8, 4], hasHeadBias: true);

    private static Accelerator Accelerator => EmulatedBackend.Cuda;

    [Fact]
    public void LargerPrediction_EndsRecordingsAndLeavesSmallerBatchesWorking() => TryEach(leastBuffers: 12, () => new DynamicGpuSoftmax(Accelerator, s_layout, seed: 3), (layer, tokens) =>
    {
        var hidden = Accelerator.Allocate1D(Hidden(layer, tokens));
        var result = Accelerator.Allocate1D<int>(tokens);
        return new(() => layer.Predict(hidden.View, result.View), () => layer.RecordPredict(hidden.View, result.View), () => [.. result.GetAsArray1D().Select(token => (float)token)]);
    });

    [Fact]
    public void LargerStep_EndsRecordingsAndLeavesSmallerBatchesWorking() => TryEach(leastBuffers: 11, () => new DynamicGpuSoftmax(Accelerator, s_layout, seed: 3), Step);

    [Fact]
    public void LargerStepOnTensorCores_EndsRecordingsAndLeavesSmallerBatchesWorking() =>
        TryEach(leastBuffers: 11, () => Shop.Create(Accelerator, seed: 1, new GpuOptions { TensorCores = TensorCoreUse.On }), Step);

    [Fact]
    public void LargerStepFromTheHost_LeavesSmallerBatchesWorking()
    {
        using var layer = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 3);
        var gradient = new float[Many * 24];
        var expected = layer.Backward(Hidden(layer, Few), Targets(layer, Few), gradient.AsSpan(0, Few * 24));
        var allowed = 0;
        while (!Try(allowed, () => layer.Backward(Hidden(layer, Many), Targets(layer, Many), gradient)))
        {
            Assert.Equal(expected, layer.Backward(Hidden(layer, Few), Targets(layer, Few), gradient.AsSpan(0, Few * 24)));
            allowed++;
        }

        Assert.True(allowed >= 12, $"Only {allowed} buffers were asked for.");
    }

    [Fact]
    public void FirstStepWithoutRoomForAllGradients_LeavesNoneOfThem()
    {
        using var layer = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 3);
        var (hidden, targets) = (Hidden(layer, Many), Targets(layer, Many));
        layer.Loss(hidden, targets);
        var allowed = 0;
        for (; !Try(allowed, () => layer.Backward(hidden, targets)); allowed++)
        {
            Assert.All(layer.Parameters, parameter => Assert.All(Gradient(parameter), value => Assert.Equal(0f, value)));
        }

        // What was had stays: after two tries the projected vectors' gradient and the split sums, after two more three of six gradients.
        Assert.Equal(4, allowed);
        using var other = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 3);
        other.Backward(hidden, targets);
        Assert.All(layer.Parameters.Zip(other.Parameters), pair => Assert.Equal(Gradient(pair.Second), Gradient(pair.First)));

        static float[] Gradient(GpuParameter parameter)
        {
            var gradient = new float[parameter.Rows * parameter.Columns];
            parameter.CopyGradientTo(gradient);
            return gradient;
        }
    }

    [Fact]
    public void LargerBatchOfASession_LeavesItsSequencesAndSmallerBatchesWorking()
    {
        using var layer = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 3);
        using var session = layer.CreateSession();
        TokenMask[] masks = [.. Enumerable.Range(0, Many).Select(row => layer.CreateDenyMask([row, 30 + row]))];
        var expected = Draw(Few, seed: 1);
        var allowed = 0;
        for (var succeeded = false; !succeeded; allowed++)
        {
            succeeded = Try(allowed, () => Draw(Many, seed: 2));
            Assert.Equal(expected, Draw(Few, seed: 1));
        }

        Assert.True(allowed > 10, $"Only {allowed} buffers were asked for.");

        DecodedToken[] Draw(int rows, ulong seed)
        {
            DecodeSequence[] sequences = [.. Enumerable.Range(0, rows).Select(row => layer.CreateSequence(new DecodeOptions { TopP = 0.9f, Mask = masks[row] }, seed + (ulong)row))];
            var results = new DecodedToken[rows];
            try
            {
                session.Sample(Hidden(layer, rows), sequences, results);
            }
            catch (GpuMemoryException)
            {
                Assert.All(sequences, sequence => Assert.Empty(sequence.History.Tokens.ToArray()));
                throw;
            }

            return results;
        }
    }

    [Fact]
    public void RestoredRunThatDoesNotFit_LeavesTheOneThatIsThere()
    {
        // The run in the file has state of every parameter, that on the device of one alone.
        using var file = new MemoryStream();
        using (var layer = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 3))
        using (var optimizer = new GpuOptimizer(new AdamW(0.01)))
        {
            layer.Backward(Hidden(layer, Many), Targets(layer, Many));
            optimizer.Step(layer.Parameters);
            new GpuCheckpoint(layer, null, optimizer).Save(file);
        }

        using var other = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 4);
        using var stepped = new GpuOptimizer(new AdamW(0.5));
        other.Backward(Hidden(other, Many), Targets(other, Many));
        stepped.Step(other.Parameters[0]);
        var checkpoint = new GpuCheckpoint(other, null, stepped);
        var (before, bytes) = (Save(checkpoint), stepped.StateBytes);
        var allowed = 0;
        while (!Try(allowed, () => checkpoint.Restore(new MemoryStream(file.ToArray()))))
        {
            Assert.Equal((bytes, 0.5), (stepped.StateBytes, stepped.LearningRate));
            Assert.Equal(before, Save(checkpoint));
            allowed++;
        }

        // Counts, corrections and two buffers of each of the five parameters without state.
        Assert.Equal(4 * 5, allowed);
        Assert.Equal(file.ToArray(), Save(checkpoint));
    }

    private static byte[] Save(GpuCheckpoint checkpoint)
    {
        using var stream = new MemoryStream();
        checkpoint.Save(stream);
        return stream.ToArray();
    }

    private static Call Step(GpuAdaptiveSoftmax layer, int tokens)
    {
        var hidden = Accelerator.Allocate1D(Hidden(layer, tokens));
        var targets = Accelerator.Allocate1D(Targets(layer, tokens));
        var gradient = Accelerator.Allocate1D<float>(hidden.Length);
        return new(
            () => layer.Backward(hidden.View, targets.View, gradient.View), () => layer.RecordBackward(hidden.View, targets.View, gradient.View), gradient.GetAsArray1D);
    }

    private static void TryEach(int leastBuffers, Func<GpuAdaptiveSoftmax> create, Func<GpuAdaptiveSoftmax, int, Call> prepare)
    {
        // One layer for all tries, since each takes the emulated driver seconds to start: what a failure leaves is what the next begins with.
        using var layer = create();
        var (few, many) = (prepare(layer, Few), prepare(layer, Many));
        var allowed = 0;
        for (var succeeded = false; !succeeded; allowed++)
        {
            using var recording = few.Record();
            recording.Replay();
            var expected = few.Read();
            succeeded = Try(allowed, many.Run);
            Assert.Throws<InvalidOperationException>(recording.Replay);
            few.Run();
            Assert.Equal(expected, few.Read());
        }

        Assert.True(allowed > leastBuffers, $"Only {allowed} buffers were asked for.");
    }

    // Whether there was room enough.
    private static bool Try(int allowed, Action call)
    {
        CudaExports.Device.AllocationsLeft = allowed;
        try
        {
            call();
            return true;
        }
        catch (GpuMemoryException exception)
        {
            Assert.Contains("CUDA_ERROR_OUT_OF_MEMORY", exception.Message, StringComparison.Ordinal);
            return false;
        }
        finally
        {
            CudaExports.Device.AllocationsLeft = null;
        }
    }

    private static float[] Hidden(GpuAdaptiveSoftmax layer, int tokens) => [.. Enumerable.Range(0, tokens * layer.Layout.HiddenSize).Select(i => MathF.Sin(i * i))];

    private static int[] Targets(GpuAdaptiveSoftmax layer, int tokens) => [.. Enumerable.Range(0, tokens).Select(i => i * 7 % layer.Layout.VocabularySize)];

    private sealed record Call(Action Run, Func<GpuRecording> Record, Func<float[]> Read);
}
