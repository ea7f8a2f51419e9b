namespace AdaptiveSoftmax.Architecture.Tests;

/// <summary>What a library says does not depend on the language of the machine: 1.5 is never written 1,5.</summary>
public sealed class CultureTests
{
    private static readonly Lazy<Dictionary<string, string>> s_libraries = new(() => Repository.Projects
        .Where(project => project.StartsWith("src/", StringComparison.Ordinal))
        .SelectMany(Repository.SourceFiles).ToDictionary(file => file, Repository.Read));

    // The tool is a program, which has the culture that it chose at its start.
    public static TheoryData<string> Libraries =>
        [.. Repository.Projects.Where(project => project.StartsWith("src/", StringComparison.Ordinal) && project != "src/AdaptiveSoftmax.Tool")];

    [Theory]
    [MemberData(nameof(Libraries))]
    public void NumbersInTexts_AreInvariant(string project)
    {
        var found = CultureTexts.Find(Repository.SourceFiles(project).ToDictionary(file => file, Repository.Read), s_libraries.Value);
        Assert.True(found.Count == 0, string.Join('\n', ["Write these with string.Create(CultureInfo.InvariantCulture, …):", .. found]));
    }

    [Fact]
    public void ANumberThatMayBeNegative_IsSeen()
    {
        var found = CultureTexts.Find(new Dictionary<string, string>
        {
            ["A.cs"] = """
                using System.Globalization;
                class A
                {
                    string Hole(int n) => $"{n}";
                    string Format(long? n) => $"{n:n0}";
                    string Sum(nint n) => $"{n + 1}";
                    string Choice(bool b, int n) => $"{(b ? 0 : n)}";
                    string Inner(int n) => string.Create(CultureInfo.InvariantCulture, $"{n}{(n > 1 ? $"{n}" : "")}");
                    string Other(B b) => $"{b.Size}";
                    const int Most = 5;
                    string Fine(uint n, int[] a, List<int> l, int m) => $"{n}{a.Length}{l.Count}{Most}{m:x4}{l.Count(x => x > 1)}" + FormattableString.Invariant($"{m}");
                    FormattableString Later(int n) => $"{n}";
                }
                """,
        }, new Dictionary<string, string> { ["B.cs"] = """class B { public int Size; string Text() => $"{Size}"; }""" });
        Assert.Equal(["A.cs(4): n", "A.cs(5): n", "A.cs(6): n + 1", "A.cs(7): (b ? 0 : n)", "A.cs(8): n", "A.cs(9): b.Size"], found);
    }

    [Fact]
    public void EveryWayToWriteANumber_IsSeen()
    {
        var found = CultureTexts.Find(new Dictionary<string, string>
        {
            ["A.cs"] = """
                using System.Globalization;
                class A
                {
                    string Hole(float x) => $"{x}";
                    string Format(double? x) => $"{x:F2}";
                    string Sum(double x) => "x" + x;
                    string Text(decimal x) => x.ToString();
                    Exception Range(double x) => new ArgumentOutOfRangeException(nameof(x), x, "far");
                    void Throw(float x) => ArgumentOutOfRangeException.ThrowIfNegative(x);
                    FormattableString Later(double x) => $"{x}";
                    string Fine(double x, int n) => string.Create(CultureInfo.InvariantCulture, $"{x}") + $"{(uint)n}" + FormattableString.Invariant($"{x}") + x.ToString(CultureInfo.InvariantCulture);
                }
                """,
        });
        Assert.Equal(["A.cs(4): x", "A.cs(5): x", "A.cs(6): x", "A.cs(7): x", "A.cs(8): x", "A.cs(9): x"], found);
    }
}
