namespace AdaptiveSoftmax.Corpus.Tests.Sources;

public sealed class MemberIdTests
{
    [Theory]
    [InlineData("T:System.String", "type System.String")]
    [InlineData("T:System.Func`2", "type System.Func<T1, T2>")]
    [InlineData("T:System.Action`1", "type System.Action<T>")]
    [InlineData("N:System.Linq", "namespace System.Linq")]
    [InlineData("M:A.B.#ctor(System.Boolean[])", "constructor A.B(bool[])")]
    [InlineData("M:A.B.#cctor", "constructor A.B()")]
    [InlineData("M:A.B.M", "method A.B.M()")]
    [InlineData("M:A.B.M(System.Int32@,System.Char*,System.Byte[0:,0:])", "method A.B.M(ref int, char*, byte[,])")]
    [InlineData("M:A.B.M(System.Nullable{System.Int32},C.D.E)", "method A.B.M(int?, E)")]
    [InlineData("M:A.B.M(System.Func{System.Collections.Generic.List{System.String},System.Object})", "method A.B.M(Func<List<string>, object>)")]
    [InlineData("M:A.B.op_Explicit(A.B)~System.Int32", "method A.B.op_Explicit(B)")]
    [InlineData("M:A.B.System#IDisposable#Dispose", "method A.B.System.IDisposable.Dispose()")]
    [InlineData("M:A.B.System#IEquatable{A#B}#Equals(A.B)", "method A.B.System.IEquatable<A.B>.Equals(B)")]
    [InlineData("P:A.B.Length", "property A.B.Length")]
    [InlineData("F:A.B.C", "field A.B.C")]
    [InlineData("E:A.B.Changed", "event A.B.Changed")]
    [InlineData("M:Top", "method Top()")]
    [InlineData("M:A.B.M(", "method A.B.M()")]
    [InlineData("T:A`99999999999", null)]
    public void Declare_ReadsIds(string id, string? expected)
    {
        var declared = MemberId.Declare(id, [], [], new Dictionary<string, string[]>());

        if (expected is not null) Assert.Equal(expected, declared);
    }

    [Theory]
    [InlineData("T:System.Collections.Generic.Dictionary`2", "Dictionary")]
    [InlineData("T:System.Collections.Generic.Dictionary`2.KeyCollection", "KeyCollection")]
    [InlineData("M:System.String.Concat(System.String,System.String)", "String.Concat")]
    [InlineData("M:A.B.#ctor(System.Int32)", "B constructor")]
    [InlineData("P:System.Array.Length", "Array.Length")]
    [InlineData("N:System.Linq", "System.Linq")]
    [InlineData("!:Missing", "Missing")]
    [InlineData("O:System.String.Concat", "String.Concat")]
    [InlineData("https://example.org/a(b)", "https://example.org/a(b)")]
    [InlineData("", "")]
    public void Mention_IsShort(string id, string expected) => Assert.Equal(expected, MemberId.Mention(id));
}
