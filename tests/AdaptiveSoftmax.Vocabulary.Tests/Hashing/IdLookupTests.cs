using CsCheck;

namespace AdaptiveSoftmax.Vocabulary.Tests;

public class IdLookupTests
{
    [Fact]
    public void IdsThatAreSlots_NeedNoTables()
    {
        var tables = Check([0, 1, 2, 3]);
        Assert.Equal(IdTableForm.Identity, tables.Form);
        Assert.All(tables.Blobs, blob => Assert.Empty(blob.Bytes));
    }

    [Fact]
    public void DenseIds_HaveADirectTable() => Assert.Equal(IdTableForm.Direct, Check([3, 0, 2, 5, 1]).Form);

    [Fact]
    public void SparseIds_HaveAPerfectHash() => Assert.Equal(IdTableForm.Hashed, Check([0, int.MaxValue, 17, 100_000, 99_999]).Form);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(int.MaxValue)]
    public void OneId_Works(int id) => Check([id]);

    [Fact]
    public void EveryStride_Works()
    {
        foreach (var stride in new[] { 1, 2, 3, 7, 8, 64, 1000, 1024, 4096, 65_536, 2_000_003 })
            Check([.. Enumerable.Range(0, 1_000).Select(i => (999 - i) * stride)]);
    }

    [Fact]
    public void EveryPowerOfTwo_Works() => Check([.. Enumerable.Range(0, 31).Select(bit => 1 << bit)]);

    [Fact]
    public void RandomIds_AgreeWithTheList()
    {
        var ids = Gen.OneOf(Gen.Int[0, 100], Gen.Int[0, int.MaxValue]).List[1, 500];
        ids.Sample(list => { Check([.. list.Distinct()]); }, iter: 300);
    }

    [Fact]
    public void MillionSparseIds_TakeAtMostThreeBitsEach()
    {
        var ids = Enumerable.Range(0, 1_000_000).Select(i => (int)((i * 2_147L) + (i % 7))).ToArray();
        var tables = Check(ids);
        Assert.Equal(IdTableForm.Hashed, tables.Form);
        Assert.InRange(tables.HashBitsPerId, 1, 3.0);
    }

    [Fact]
    public void SameIds_GiveTheSameBytesOnEveryPlatform()
    {
        var tables = Build([.. Enumerable.Range(0, 5_000).Select(i => i * 101)]);
        var hash = System.Security.Cryptography.SHA256.HashData(tables.Blobs.SelectMany(blob => blob.Bytes).ToArray());
        Assert.Equal("D40AAF9A121CC2D7", Convert.ToHexString(hash, 0, 8));
    }

    [Theory]
    [InlineData(5, 6, 5)]
    [InlineData(5, 1_000_000, 5)]
    public void EqualIds_AreNamed(params int[] ids)
    {
        var error = Assert.Throws<ArgumentException>(() => Build(ids));
        Assert.Contains("The id 5 belongs to the slots 0 and 2", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void NegativeId_IsNamed()
    {
        var error = Assert.Throws<ArgumentException>(() => Build([1, -7]));
        Assert.Contains("slot 1 is -7", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void NoIds_IsAnError() => Assert.Throws<ArgumentException>(() => Build([]));

    [Theory]
    [InlineData(-1)]
    [InlineData(3)]
    public void SlotOutOfRange_IsAnError(int slot)
    {
        TestTables.Use(Build([5, 6, 9]));
        Assert.Throws<ArgumentOutOfRangeException>(() => IdLookup<TestTables>.GetId(slot));
    }

    /// <summary>Every id is found with its slot and read back, and the numbers around it are found only if they are ids.</summary>
    private static IdLookupTables Check(int[] ids)
    {
        var tables = Build(ids);
        TestTables.Use(tables);
        var expected = new Dictionary<int, int>();
        for (var slot = 0; slot < ids.Length; slot++) expected.Add(ids[slot], slot);
        foreach (var (id, slot) in expected)
        {
            if (IdLookup<TestTables>.FindSlot(id) != slot) Assert.Fail($"Slot {slot} was not found by its id {id}.");
            if (IdLookup<TestTables>.GetId(slot) != id) Assert.Fail($"Slot {slot} gave another id than {id}.");
            foreach (var other in new[] { id - 1, id + 1, -id, ~id, id ^ 0x40, id | int.MinValue })
            {
                if (IdLookup<TestTables>.FindSlot(other) != expected.GetValueOrDefault(other, -1)) Assert.Fail($"The stranger {other} was found.");
            }
        }

        return tables;
    }

    private static IdLookupTables Build(IReadOnlyList<int> ids) => IdLookupTables.Build(ids, TestContext.Current.CancellationToken);
}
