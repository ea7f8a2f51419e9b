using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests;

/// <summary>
/// Whatever is disposed while other threads use it: their calls end with the right result or an
/// <see cref="ObjectDisposedException"/>. Memory that were taken from under them would end the process here.
/// </summary>
public sealed class DisposeTests
{
    private const int Size = 48;
    private const int Rounds = 8;

    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(Size, 20_000, [800, 5000], [24, 8], hasHeadBias: true);

    private static readonly SoftmaxLayout s_large = SoftmaxLayout.Create(Size, 200_000, [800, 5000], [24, 8], hasHeadBias: true);

    private static readonly float[] s_hidden = [.. Enumerable.Range(0, 20 * Size).Select(i => MathF.Sin(i * 1.7f) * 3)];

    // What runs on other threads, and checks its own result.
    private static readonly Dictionary<string, Func<DynamicAdaptiveSoftmax, Action>> s_calls = new()
    {
        ["predict"] = layer => Same(() => Predict(layer, 1)),
        ["predict of a batch"] = layer => Same(() => Predict(layer, 20)),
        ["log-probs"] = layer => Same(() => LogProbs(layer)),
        ["score"] = layer => Same(() => layer.LogProbOf(s_hidden.AsSpan(0, Size), 15_000)),
        ["top-k"] = layer => Same(() => TopK(layer)),
        ["sample"] = layer => Same(() => Sample(layer)),
        ["session"] = Session,
        ["loss"] = layer => Same(() => layer.Loss(s_hidden, [.. Enumerable.Range(0, 20).Select(i => i * 900)])),
        ["quantize"] = layer => () => layer.Quantize().Dispose(),
        ["certify"] = layer => () => layer.Certify().Dispose(),
        ["initialize"] = layer => () => layer.Initialize(1),
        ["save"] = layer => () => layer.Save(new WatchedStream()),
        ["save without waiting"] = layer => () => layer.SaveAsync(new WatchedStream()).GetAwaiter().GetResult(),
        ["embedding"] = layer => Same(() => Embed(layer)),
        ["checkpoint"] = layer => () => new Checkpoint(layer).Save(Stream.Null, WeightsFormat.PyTorch),
        ["edit"] = layer => () => layer.Parameters[0].Edit(values => values[7] = values[8]),
        ["product"] = layer => () => MatrixKernels.Forward(s_hidden.AsSpan(0, Size), layer.Parameters[0], new float[s_layout.HeadRows]),
    };

    public static TheoryData<string> Calls() => [.. s_calls.Keys];

    [Theory]
    [MemberData(nameof(Calls))]
    public void LayerInUse(string call)
    {
        // These write, which one thread alone may do.
        var threads = call is "initialize" or "edit" ? 1 : 3;
        Run(threads, layer => (layer, s_calls[call](layer)));
    }

    /// <summary>Where the system takes the memory back at once, a call that still read it would end the process.</summary>
    [Theory]
    [InlineData("predict of a batch")]
    [InlineData("log-probs")]
    [InlineData("sample")]
    [InlineData("loss")]
    [InlineData("save")]
    public void LargeLayerInUse(string call) => Run(2, layer => (layer, s_calls[call](layer)), s_large, rounds: 2);

    [Fact]
    public void ParameterInUse() => Run(3, layer => (new Parts([.. layer.Parameters.Skip(1)]), s_calls["log-probs"](layer)));

    [Theory]
    [InlineData("predict")]
    [InlineData("log-probs")]
    [InlineData("session")]
    public void CopyInUse(string call) => Run(3, layer =>
    {
        var copy = layer.Quantize();
        return (copy, Decode(copy, call));
    });

    [Theory]
    [InlineData("predict")]
    [InlineData("log-probs")]
    [InlineData("session")]
    public void CertifiedDecoderInUse(string call) => Run(3, layer =>
    {
        var certified = layer.Certify();
        return (certified, Decode(certified, call));
    });

    [Theory]
    [InlineData("predict")]
    [InlineData("log-probs")]
    public void LayerUnderACertifiedDecoderInUse(string call) => Run(3, layer =>
    {
        var certified = layer.Certify();
        return (layer, Decode(certified, call));
    });

    [Fact]
    public void SessionInUse() => Run(1, layer =>
    {
        var session = layer.CreateSession();
        var expected = layer.Predict(s_hidden.AsSpan(0, Size));
        return (session, Step);

        void Step()
        {
            var (tokens, logProbs) = (new int[3], new float[3]);
            session.TopK(s_hidden.AsSpan(0, Size), tokens, logProbs);
            Assert.Equal(expected, tokens[0]);
        }
    });

    [Fact]
    public void TrainingInUse() => Run(1, layer =>
    {
        var optimizer = new AdamW(1e-3);
        var gradient = new float[s_hidden.Length];
        int[] targets = [.. Enumerable.Range(0, 20).Select(i => i * 900)];
        return (new Parts([optimizer, layer]), Step);

        void Step()
        {
            layer.Backward(s_hidden, targets, gradient);
            GradientClipping.ClipByGlobalNorm(layer.Parameters, 1);
            optimizer.Step(layer);
        }
    });

    [Fact]
    public void SessionOfTwoThreadsAtOnce_IsRefused()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout, seed: 2);
        using var session = layer.CreateSession();
        using (session.Begin())
        {
            Assert.Contains("one thread's", Assert.Throws<InvalidOperationException>(() => session.TopK(s_hidden.AsSpan(0, Size), new int[1], new float[1])).Message, StringComparison.Ordinal);
        }

        Assert.Equal(1, session.TopK(s_hidden.AsSpan(0, Size), new int[1], new float[1]).Count);
    }

    [Fact]
    public void DisposedOwners_FreeTheirMemory_OnceNobodyUsesIt()
    {
        var layer = new DynamicAdaptiveSoftmax(s_layout, seed: 2);
        using (layer.Leases.Take())
        {
            layer.Dispose();
            layer.Dispose();
            Assert.Throws<ObjectDisposedException>(() => layer.Predict(s_hidden.AsSpan(0, Size)));
            Assert.Throws<ObjectDisposedException>(() => layer.Parameters[0].Values.Length);
            Assert.True(IsThere(layer.Parameters[0]));
        }

        Assert.All(layer.Parameters, parameter => Assert.False(IsThere(parameter)));
    }

    /// <summary>Disposed of from within a call, where the moment is certain.</summary>
    [Fact]
    public async Task MemoryOfACall_StaysToItsEnd()
    {
        await Keeps((layer, end) => Synchronously(() => layer.Parameters[0].Edit(_ => end())));
        await Keeps((layer, end) => Synchronously(() => layer.Parameters[2].EditRow(1, _ => end())));
        foreach (var format in Enum.GetValues<WeightsFormat>())
        {
            await Keeps((layer, end) => Synchronously(() => layer.Save(new WatchedStream(end), format: format)));
            await Keeps((layer, end) => layer.SaveAsync(new WatchedStream(end), format: format));
            await Keeps((layer, end) => new Checkpoint(layer).SaveAsync(new WatchedStream(end), format));
        }

        static Task Synchronously(Action call)
        {
            call();
            return Task.CompletedTask;
        }

        static async Task Keeps(Func<DynamicAdaptiveSoftmax, Action, Task> call)
        {
            var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(8, 60, [20], [4], hasHeadBias: true));
            var calls = 0;
            await call(layer, End);
            Assert.True(calls > 0);
            Assert.All(layer.Parameters, parameter => Assert.False(IsThere(parameter)));

            void End()
            {
                calls++;
                layer.Dispose();
                Assert.All(layer.Parameters, parameter => Assert.True(IsThere(parameter)));
            }
        }
    }

    [Fact]
    public void WorkingMemory_KeepsTheWeightsThatItsCallReads()
    {
        var (leases, freed) = (new MemoryLeases(), 0);
        using var pool = new ScratchPool(typeof(DynamicAdaptiveSoftmax), leases);
        var scratch = pool.Rent();
        leases.Close(typeof(DynamicAdaptiveSoftmax));
        leases.WhenUnused(() => freed++);
        Assert.Throws<ObjectDisposedException>(pool.Rent);
        Assert.Equal(0, freed);
        pool.Return(scratch);
        Assert.Equal(1, freed);
    }

    private static unsafe bool IsThere(Parameter parameter) => parameter.KeptValuesPointer is not null;

    private static void Run(int threads, Func<DynamicAdaptiveSoftmax, (IDisposable Owner, Action Call)> prepare, SoftmaxLayout? layout = null, int rounds = Rounds)
    {
        for (var round = 0; round < rounds; round++)
        {
            // Workers that no other test shares, so that those which count allocations meet none that start.
            var layer = new DynamicAdaptiveSoftmax(layout ?? s_layout, seed: 2, new AdaptiveSoftmaxOptions { Threads = 3 });
            var (owner, call) = prepare(layer);
            var failures = new List<Exception>();
            using var running = new CountdownEvent(threads);
            var callers = Enumerable.Range(0, threads).Select(_ => new Thread(() =>
            {
                try
                {
                    for (var i = 0; ; i++)
                    {
                        call();
                        if (i == 0) running.Signal();
                    }
                }
                catch (ObjectDisposedException)
                {
                }
                catch (Exception exception)
                {
                    lock (failures) failures.Add(exception);
                    if (running.CurrentCount > 0) running.Signal();
                }
            })).ToArray();
            foreach (var caller in callers) caller.Start();
            running.Wait(TestContext.Current.CancellationToken);
            Thread.SpinWait(round * 500);
            owner.Dispose();
            foreach (var caller in callers) caller.Join();
            layer.Dispose();
            Assert.Empty(failures);
        }
    }

    private static Action Same<T>(Func<T> call)
    {
        var expected = call();
        return () => Assert.Equal(expected, call());
    }

    private static Action Decode(SoftmaxDecoder softmax, string call) => call switch
    {
        "predict" => Same(() => Predict(softmax, 1)),
        "log-probs" => Same(() => LogProbs(softmax)),
        _ => Session(softmax),
    };

    private static Action Session(SoftmaxDecoder softmax)
    {
        var expected = Step(softmax.CreateSession());
        return () =>
        {
            using var session = softmax.CreateSession();
            Assert.Equal(expected, Step(session));
        };

        DecodedToken[] Step(DecodeSession session)
        {
            var results = new DecodedToken[20];
            session.Sample(s_hidden, [.. Enumerable.Range(0, 20).Select(row => new DecodeSequence(softmax, new DecodeOptions { TopP = row % 2 == 0 ? 1 : 0.9f, TopLogProbs = 30 }, (ulong)row))], results);
            return results;
        }
    }

    private static string Predict(SoftmaxDecoder softmax, int rows)
    {
        var tokens = new int[rows];
        softmax.Predict(s_hidden.AsSpan(0, rows * Size), tokens);
        return string.Join(' ', tokens);
    }

    private static float LogProbs(SoftmaxDecoder softmax)
    {
        var all = new float[9 * softmax.Layout.VocabularySize];
        softmax.LogProb(s_hidden.AsSpan(0, 9 * Size), all);
        return all.Sum();
    }

    private static float Embed(DynamicAdaptiveSoftmax softmax)
    {
        var embeddings = new float[400 * Size];
        new TiedEmbedding(softmax).Forward([.. Enumerable.Range(0, 400).Select(i => i * 49)], embeddings);
        return embeddings.Sum();
    }

    private static string TopK(SoftmaxDecoder softmax)
    {
        var (tokens, logProbs) = (new int[40], new float[40]);
        softmax.TopK(s_hidden.AsSpan(0, Size), tokens, logProbs);
        return string.Join(' ', tokens);
    }

    private static DecodedToken Sample(SoftmaxDecoder softmax)
    {
        var random = new SampleRandom(3);
        return softmax.Sample(s_hidden.AsSpan(0, Size), new DecodeOptions { Temperature = 1.3f, Policy = DecodePolicy.Full }, ref random);
    }

    /// <summary>Takes what is written, asynchronously on other threads, and says before that something is.</summary>
    private sealed class WatchedStream(Action? onWrite = null) : MemoryStream
    {
        public override void Write(byte[] buffer, int offset, int count)
        {
            onWrite?.Invoke();
            base.Write(buffer, offset, count);
        }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            onWrite?.Invoke();
            base.Write(buffer);
        }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await Task.Yield();
            Write(buffer.Span);
        }
    }

    private sealed class Parts(IReadOnlyList<IDisposable> parts) : IDisposable
    {
        public void Dispose()
        {
            foreach (var part in parts) part.Dispose();
        }
    }
}
