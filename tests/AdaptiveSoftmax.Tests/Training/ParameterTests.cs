namespace AdaptiveSoftmax.Tests.Training;

public sealed class ParameterTests
{
    [Fact]
    public unsafe void NewParameter_IsZeroAlignedAndWithoutGradient()
    {
        for (var columns = 1; columns < 40; columns += 3)
        {
            using var parameter = new Parameter("w", 3, columns);
            Assert.Equal(3 * columns, parameter.Values.Length);
            Assert.Equal(-1, parameter.Values.IndexOfAnyExcept(0f));
            Assert.Equal(0, (long)parameter.ValuesPointer % 64);
            Assert.False(parameter.HasGradient);
            Assert.True(parameter.GradientPointer is null);
        }
    }

    [Fact]
    public void EveryChangeOfValues_IsCounted()
    {
        using var parameter = new Parameter("w", 3, 2);
        Counts(() => parameter.Edit(values => values[5] = 2));
        Counts(() => parameter.EditRow(1, row => row[0] = 3));
        Assert.Equal([0, 0, 3, 0, 0, 2], parameter.Values);
        Counts(() => parameter.Set([1, 2, 3, 4, 5, 6]));
        Assert.Equal([3, 4], parameter.Row(1));
        Counts(() => Assert.Throws<TimeoutException>(() => parameter.Edit(_ => throw new TimeoutException())));
        Assert.Throws<ArgumentException>(() => parameter.Set(new float[5]));
        Assert.Throws<ArgumentOutOfRangeException>(() => parameter.EditRow(3, _ => { }));

        void Counts(Action change)
        {
            var before = parameter.Version;
            change();
            Assert.True(parameter.Version > before);
            before = parameter.Version;
            _ = parameter.Values[0] + parameter.Row(2)[1];
            Assert.Equal(before, parameter.Version);
        }
    }

    [Fact]
    public unsafe void Gradient_IsAllocatedOnFirstUseAndZeroAfterZeroGradient()
    {
        using var parameter = new Parameter("w", 4, 5);
        parameter.TouchGradient()[7] = 3;
        Assert.True(parameter.HasGradient);
        Assert.Equal(0, (long)parameter.GradientPointer % 64);
        parameter.ZeroGradient();
        Assert.False(parameter.HasGradient);
        Assert.Equal(0, parameter.GradientPointer[7]);
    }

    [Fact]
    public unsafe void SparseGradient_RecordsRowsInOrderOfFirstTouch()
    {
        using var parameter = new Parameter("embedding.weight", 200, 2, GradientLayout.SparseRows);
        foreach (var row in new[] { 130, 3, 130, 199, 3, 0 }) parameter.TouchGradientRow(row)[1] += 1;
        Assert.Equal([130, 3, 199, 0], parameter.TouchedRows.ToArray());
        Assert.Equal(2, parameter.GradientRow(130)[1]);
        Assert.Equal([0, 3, 130, 199], parameter.SortTouchedRows().ToArray());
        parameter.ZeroGradient();
        Assert.False(parameter.HasGradient);
        Assert.True(parameter.TouchedRows.IsEmpty);
        Assert.Equal(0, parameter.GradientPointer[(130 * 2) + 1]);
        parameter.TouchGradientRow(3)[0] = 1;
        Assert.Equal([3], parameter.TouchedRows.ToArray());
    }

    [Fact]
    public void SparseGradient_HasNoDenseFormToAddTo()
    {
        using var parameter = new Parameter("embedding.weight", 4, 2, GradientLayout.SparseRows);
        var error = Assert.Throws<InvalidOperationException>(() => parameter.TouchGradient().Clear());
        Assert.Contains("GradientRow", error.Message, StringComparison.Ordinal);
        Assert.False(parameter.HasGradient);
    }

    [Fact]
    public void Vector_HasOneColumn()
    {
        using var bias = Parameter.CreateVector("head.bias", 7);
        Assert.True(bias.IsVector);
        Assert.Equal((7, 1), (bias.Rows, bias.Columns));
    }

    [Fact]
    public void EmptyParameter_IsUsable()
    {
        using var parameter = new Parameter("w", 0, 5);
        Assert.True(parameter.Values.IsEmpty);
        Assert.True(parameter.TouchGradient().IsEmpty);
        parameter.ZeroGradient();
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(4)]
    [InlineData(int.MaxValue)]
    public void RowOutsideTheMatrix_IsRefused(int row)
    {
        using var parameter = new Parameter("w", 4, 5);
        Assert.Throws<ArgumentOutOfRangeException>(() => parameter.WritableRow(row).Clear());
        Assert.Throws<ArgumentOutOfRangeException>(() => parameter.TouchGradientRow(row).Clear());
    }

    [Fact]
    public void DisposedParameter_RefusesUse()
    {
        var parameter = new Parameter("w", 4, 5);
        parameter.TouchGradient().Clear();
        parameter.Dispose();
        parameter.Dispose();
        Assert.False(parameter.HasGradient);
        Assert.Throws<ObjectDisposedException>(() => parameter.WritableValues.Clear());
        Assert.Throws<ObjectDisposedException>(() => parameter.TouchGradient().Clear());
        Assert.Throws<ObjectDisposedException>(() => parameter.TouchGradientRow(0).Clear());
        Assert.Throws<ObjectDisposedException>(() => parameter.Gradient.ToArray());
        Assert.Throws<ObjectDisposedException>(() => parameter.GradientRow(0).ToArray());
        Assert.Throws<ObjectDisposedException>(() => parameter.WritableRow(0).Clear());
        Assert.Throws<ObjectDisposedException>(parameter.ZeroGradient);
    }

    [Fact]
    public unsafe void MoreValuesThanASpanHolds_AreReachedByRow()
    {
        Assert.SkipWhen(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes < 10L << 30, "The system may refuse 8.6 GB of address space on a machine this small.");
        // 8.6 GB of address space; only the two pages that are written become memory.
        using var parameter = new Parameter("w", 70_000, 32_768);
        Assert.Equal(70_000L * 32_768, parameter.Count);
        parameter.WritableRow(69_999)[32_767] = 5;
        Assert.Equal(5, parameter.ValuesPointer[parameter.Count - 1]);
        Assert.Throws<InvalidOperationException>(() => parameter.WritableValues.Clear());
        Assert.Throws<InvalidOperationException>(() => parameter.TouchGradient().Clear());
        Assert.False(parameter.HasGradient);
    }
}
