namespace AdaptiveSoftmax.Tests;

/// <summary>Random floats in native memory between guards, so that a kernel that strays is caught.</summary>
internal sealed unsafe class NativeArray : IDisposable
{
    private const int Guard = 64;
    private const float GuardValue = 12345.678f;
    private readonly NativeFloats _block;
    private readonly int _count;

    public NativeArray(int count, Random random)
    {
        _count = count;
        _block = new NativeFloats(count + (2 * Guard));
        new Span<float>(_block.Pointer, count + (2 * Guard)).Fill(GuardValue);
        foreach (ref var value in Span) value = (float)((random.NextDouble() * 2) - 1);
    }

    public float* Pointer => _block.Pointer + Guard;

    public Span<float> Span => new(Pointer, _count);

    public float this[int index] => Span[index];

    public void AssertGuardsAreWhole()
    {
        for (var i = 1; i <= Guard; i++)
        {
            Assert.Equal(GuardValue, Pointer[-i]);
            Assert.Equal(GuardValue, Pointer[_count + i - 1]);
        }
    }

    public void Dispose() => _block.Dispose();
}
