namespace AdaptiveSoftmax.Architecture.Tests;

/// <summary>Folders are floors: a project reads from the ground up, and nothing uses what lies above it.</summary>
public sealed class FloorsTests
{
    private static readonly Dictionary<string, Floors> s_floors = Floors.Read(Repository.Read("docs/architecture.md"));

    public static TheoryData<string> Projects => [.. Repository.Projects];

    [Theory]
    [MemberData(nameof(Projects))]
    public void EveryFile_UsesItsOwnFloorAndThoseBelow(string project)
    {
        var sources = Repository.SourceFiles(project).ToDictionary(file => file[(project.Length + 1)..], Repository.Read);
        var folders = sources.Keys.Select(Floors.Of).Distinct().ToList();
        if (folders.Count == 1 && !s_floors.ContainsKey(project)) return;

        Assert.True(s_floors.TryGetValue(project, out var floors), $"{project} has the folders {string.Join(", ", folders)}; list them as its floors in docs/architecture.md.");
        var faults = floors.Faults(project, sources);
        Assert.True(faults.Count == 0, string.Join('\n', faults));
        Assert.Empty(floors.Names.Except(folders));
    }

    [Fact]
    public void EveryProjectOfThePage_IsThere() => Assert.Empty(s_floors.Keys.Except(Repository.Projects));

    [Fact]
    public void AFileOnTheWrongFloor_IsToldWhereItBelongs()
    {
        var fault = Assert.Single(new Floors([Floors.Top, "Kernels", "Memory"]).Faults("src/House", new Dictionary<string, string>
        {
            ["Door.cs"] = "class Door { Product _product = new(); }",
            ["Kernels/Product.cs"] = "class Product { public Block Block = new(); }",
            ["Memory/Block.cs"] = "class Block;",
            ["Memory/Pool.cs"] = "class Pool\n{\n    object Rent() => new Product().Block;\n}",
        }));
        Assert.Equal(
            "src/House/Memory/Pool.cs(3) uses Product of the floor 'Kernels', which lies above 'Memory': the file belongs in 'Kernels', the lowest floor above all that it uses, unless it can do without Product.",
            fault);
    }

    [Fact]
    public void AFolderThatIsNoFloor_IsNamed()
    {
        var fault = Assert.Single(new Floors([Floors.Top]).Faults("src/House", new Dictionary<string, string> { ["Attic/Box.cs"] = "class Box;" }));
        Assert.Equal("src/House/Attic/Box.cs: 'Attic' is no floor of src/House; move the file to one of (top), or add the floor to docs/architecture.md.", fault);
    }

    [Fact]
    public void Words_AreNoUses()
    {
        // A comment, a string and a name that another type owns are not what the compiler binds to the file above.
        Assert.Empty(new Floors([Floors.Top, "Memory"]).Faults("src/House", new Dictionary<string, string>
        {
            ["Door.cs"] = "class Door { public int Lock; }",
            ["Memory/Block.cs"] = "/// <summary><see cref=\"Door\"/></summary>\nclass Block { string Door = \"Door\"; int Lock; int Both => Door.Length + Lock; }",
        }));
    }

    [Fact]
    public void AnExtensionOrAMemberOfAPartialClass_CountsWhereItIsDeclared()
    {
        var faults = new Floors([Floors.Top, "Layers"]).Faults("src/House", new Dictionary<string, string>
        {
            ["Extensions.cs"] = "static class Extensions { public static int Twice(this int number) => 2 * number; }",
            ["Layers/Layer.cs"] = "class Layer { int Two => 1.Twice(); }",
        });
        Assert.Contains("uses Twice of the floor '(top)'", Assert.Single(faults));
    }
}
