using CsCheck;

namespace AdaptiveSoftmax.Tests;

public unsafe class TransposeTests
{
    private static readonly Gen<(int Count, int Columns, int Threads, int Seed)> s_cases = Gen.Select(Gen.Int[1, 70], Gen.Int[1, 300], Gen.Int[1, 3], Gen.Int);

    [Fact]
    public void Gather_GivesRowsAndLanesOfTheChosenTokens_AndZerosBehind() => s_cases.Sample(
        @case =>
        {
            var (count, columns, threads, seed) = @case;
            var random = new Random(seed);
            var lanes = count + random.Next(17);
            using var vectors = new NativeArray(2 * count * columns, random);
            using var target = new NativeArray(columns * lanes, random);
            using var rows = new NativeArray(count * columns, random);
            int[] tokens = [.. Enumerable.Range(0, count).Select(_ => random.Next(2 * count))];
            fixed (int* pointer = tokens) Transpose.Gather(WorkerPool.Get(threads), vectors.Pointer, pointer, count, columns, target.Pointer, lanes, rows.Pointer);
            target.AssertGuardsAreWhole();
            rows.AssertGuardsAreWhole();
            for (var c = 0; c < columns; c++)
            {
                for (var t = 0; t < lanes; t++)
                {
                    var expected = t < count ? vectors[(tokens[t] * columns) + c] : 0;
                    Assert.Equal(expected, target[(c * lanes) + t]);
                    if (t < count) Assert.Equal(expected, rows[(t * columns) + c]);
                }
            }
        },
        iter: 100);

    [Fact]
    public void FromLanes_IsTheWayBack() => s_cases.Sample(
        @case =>
        {
            var (count, columns, threads, seed) = @case;
            var random = new Random(seed);
            var (lanes, stride) = (count + random.Next(17), columns + random.Next(5));
            using var source = new NativeArray(columns * lanes, random);
            using var target = new NativeArray(count * stride, random);
            var before = target.Span.ToArray();
            Transpose.FromLanes(WorkerPool.Get(threads), source.Pointer, lanes, count, columns, target.Pointer, stride);
            target.AssertGuardsAreWhole();
            for (var i = 0; i < before.Length; i++)
                Assert.Equal(i % stride < columns ? source[(i % stride * lanes) + (i / stride)] : before[i], target[i]);
        },
        iter: 100);

    [Fact]
    public void ScatterAdd_AddsEachRowToItsVector() => s_cases.Sample(
        @case =>
        {
            var (count, columns, threads, seed) = @case;
            var random = new Random(seed);
            using var rows = new NativeArray(count * columns, random);
            using var vectors = new NativeArray(2 * count * columns, random);
            var expected = vectors.Span.ToArray();
            int[] tokens = [.. Enumerable.Range(0, 2 * count).OrderBy(_ => random.Next()).Take(count)];
            for (var i = 0; i < rows.Span.Length; i++) expected[(tokens[i / columns] * columns) + (i % columns)] += rows[i];
            fixed (int* pointer = tokens) Transpose.ScatterAdd(WorkerPool.Get(threads), rows.Pointer, vectors.Pointer, pointer, count, columns);
            vectors.AssertGuardsAreWhole();
            Assert.Equal(expected, vectors.Span.ToArray());
        },
        iter: 50);
}
