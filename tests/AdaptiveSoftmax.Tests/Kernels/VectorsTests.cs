namespace AdaptiveSoftmax.Tests;

public unsafe class VectorsTests
{
    private delegate void Add(float* target, float* source, int count);

    [Fact]
    public void Add_AgreesWithTheDefinitionAtEveryWidth()
    {
        for (var count = 0; count <= 100; count++)
        {
            foreach (var add in (Add[])[Vectors.Add<Simd128>, Vectors.Add<Simd256>, Vectors.Add<Simd512>, Vectors.Add])
            {
                using var target = new NativeArray(count, new Random(count));
                using var source = new NativeArray(count, new Random(count + 1));
                var expected = target.Span.ToArray().Zip(source.Span.ToArray(), (left, right) => left + right);
                add(target.Pointer, source.Pointer, count);
                Assert.Equal(expected, target.Span.ToArray());
                target.AssertGuardsAreWhole();
            }
        }
    }
}
