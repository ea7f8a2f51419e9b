namespace AdaptiveSoftmax.Vocabulary.Tests;

public class EquatableArrayTests
{
    [Fact]
    public void Arrays_CompareByTheirElementsInOrder()
    {
        EquatableArray<string?> array = new(["a", null, "b"]);

        Assert.True(array == new EquatableArray<string?>(new List<string?> { "a", null, "b" }));
        Assert.Equal(array.GetHashCode(), new EquatableArray<string?>(["a", null, "b"]).GetHashCode());
        Assert.True(array != new EquatableArray<string?>(["a", "b", null]));
        Assert.True(array != new EquatableArray<string?>(["a", null]));
        Assert.True(new EquatableArray<string?>(["a", null]) != array);
        Assert.True(array != default);
    }

    [Fact]
    public void DefaultValue_IsTheEmptyArray()
    {
        EquatableArray<int> array = default;

        Assert.Empty(array);
        Assert.Equal(0, array.AsSpan().Length);
        Assert.Equal(new EquatableArray<int>([]), array);
        Assert.Equal(new EquatableArray<int>([]).GetHashCode(), array.GetHashCode());
        Assert.Throws<IndexOutOfRangeException>(() => array[0]);
    }
}
