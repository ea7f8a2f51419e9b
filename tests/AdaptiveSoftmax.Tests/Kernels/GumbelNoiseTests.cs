namespace AdaptiveSoftmax.Tests;

public unsafe class GumbelNoiseTests
{
    [Fact]
    public void ANoise_IsThatOfItsHash()
    {
        var noise = new GumbelNoise(77, 1000);
        for (var row = 0; row < 1000; row++)
        {
            var number = ((CountedRandom.Bits(77, 1000 + (ulong)row) >> 12) + 0.5) / Math.Pow(2, 52);
            Assert.Equal(-Math.Log(-Math.Log(number)), noise.Of(row));
            Assert.InRange(noise.Of(row), -GumbelNoise.Largest, GumbelNoise.Largest);
        }
    }

    // A hundred million numbers hold all that is rare, such as those nearest to 1.
    [Fact]
    public void RaisedBounds_AreAboveTheExactNoise_AndHardlyMore()
    {
        const int Rows = 100_003;
        using var bounds = new NativeFloats(Rows);
        var random = new Random(1);
        for (var position = 0; position < 12; position++)
        {
            var noise = new SampleRandom(5, 0, position).Noise;
            float[] temperatures = [0.01f, 0.8f, 1, 30];
            var temperature = temperatures[position % 4];
            var scores = new float[Rows];
            foreach (ref var score in scores.AsSpan()) score = (float)(random.NextDouble() - 0.5) * 20;
            scores.CopyTo(new Span<float>(bounds.Pointer, Rows));
            var first = position * 7;
            var largest = noise.Raise(bounds.Pointer, first, Rows, temperature);
            var most = float.NegativeInfinity;
            for (var row = 0; row < Rows; row++)
            {
                var exact = scores[row] + (temperature * noise.Of(first + row));
                var rounding = (Math.Abs(scores[row]) + (temperature * GumbelNoise.Largest)) / (1 << 22);

                // Numbers below 2⁻¹⁶ count as that, where the noise is −2.406.
                var atMost = Math.Max(exact, scores[row] - (temperature * 2.405)) + (temperature / 2000) + rounding;
                Assert.True(bounds.Pointer[row] >= exact - rounding && bounds.Pointer[row] <= atMost, $"{bounds.Pointer[row]} for {exact}");
                most = MathF.Max(most, bounds.Pointer[row]);
            }

            Assert.Equal(most, largest);
        }
    }

    [Fact]
    public void ABound_HoldsForNumbersNextToOne()
    {
        // Found by counting: rows of this stream whose numbers are within 2⁻¹⁰ and 2⁻¹⁶ of 1 and of 0.
        var noise = new GumbelNoise(3, 0);
        var (near, nearest, small) = (0, 0, 0);
        using var bounds = new NativeFloats(1 << 20);
        noise.Raise(bounds.Pointer, 0, 1 << 20, 1);
        for (var row = 0; row < 1 << 20; row++)
        {
            var exact = noise.Of(row);
            Assert.True(bounds.Pointer[row] >= (float)exact, $"Row {row}");
            if (exact > 6.9) near++;
            if (exact > 11) nearest++;
            if (exact < -2.4) small++;
        }

        Assert.True(near > 500 && nearest > 3 && small > 3, $"{near}, {nearest}, {small}");
    }

    [Fact]
    public void NoiseHasTheMeanAndTheVarianceOfGumbel()
    {
        var (sum, squares, count) = (0.0, 0.0, 0);
        for (var position = 0; position < 200; position++)
        {
            var noise = new SampleRandom(9, 3, position).Noise;
            for (var row = 0; row < 2000; row++, count++)
            {
                sum += noise.Of(row);
                squares += noise.Of(row) * noise.Of(row);
            }
        }

        var mean = sum / count;
        Assert.Equal(0.57722, mean, 0.012);
        Assert.Equal(Math.PI * Math.PI / 6, (squares / count) - (mean * mean), 0.03);
    }
}
