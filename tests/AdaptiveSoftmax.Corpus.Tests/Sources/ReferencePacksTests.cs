namespace AdaptiveSoftmax.Corpus.Tests.Sources;

public sealed class ReferencePacksTests
{
    [Fact]
    public void NewestVersionWithDocumentation_IsTaken()
    {
        using var folder = new TemporaryFolder();
        folder.Write("Microsoft.NETCore.App.Ref/9.0.20/ref/net9.0/A.xml", "<doc/>");
        folder.Write("Microsoft.NETCore.App.Ref/10.0.2/ref/net10.0/A.xml", "<doc/>");
        folder.Write("Microsoft.NETCore.App.Ref/10.0.2-rc.1/ref/net10.0/A.xml", "<doc/>");
        folder.Write("Microsoft.NETCore.App.Ref/11.0.0/ref/net11.0/A.dll", "no documentation");
        folder.Write("Microsoft.NETCore.App.Ref/other/ref/net11.0/A.xml", "<doc/>");

        Assert.Equal([Path.Combine("10.0.2", "ref", "net10.0", "A.xml")], Found(folder, skip: 1));
    }

    [Fact]
    public void Packs_ComeInOrderWithoutRepeatedFiles()
    {
        using var folder = new TemporaryFolder();
        foreach (var name in new[] { "B", "a", "A" }) folder.Write($"Microsoft.NETCore.App.Ref/10.0.0/ref/net10.0/{name}{(name == "a" ? "2" : "")}.xml", "<doc/>");
        folder.Write("Microsoft.NETCore.App.Ref/10.0.0/data/FrameworkList.xml", "<FileList/>");
        folder.Write("Microsoft.AspNetCore.App.Ref/10.0.0/ref/net10.0/A.xml", "<doc/>");
        folder.Write("Microsoft.AspNetCore.App.Ref/10.0.0/ref/net10.0/Z.xml", "<doc/>");

        Assert.Equal(["A.xml", "B.xml", "a2.xml", "Z.xml"], Found(folder, skip: 4));
    }

    [Fact]
    public void PackageFolder_HoldsThePackInLowerCase()
    {
        using var folder = new TemporaryFolder();
        folder.Write("microsoft.netcore.app.ref/10.0.12/ref/net10.0/A.xml", "<doc/>");

        Assert.Equal(["A.xml"], Found(folder, skip: 4));
    }

    [Fact]
    public void FolderWithoutPacks_IsAnErrorThatNamesIt()
    {
        using var folder = new TemporaryFolder();

        var error = Assert.Throws<CorpusException>(() => ReferencePacks.FindDocumentation(folder.Path));
        Assert.Contains(folder.Path, error.Message, StringComparison.Ordinal);
        Assert.Contains("DOTNET_ROOT", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FolderWithOnlyAnotherPack_IsAnError()
    {
        using var folder = new TemporaryFolder();
        folder.Write("Microsoft.AspNetCore.App.Ref/10.0.0/ref/net10.0/Z.xml", "<doc/>");

        Assert.Throws<CorpusException>(() => ReferencePacks.FindDocumentation(folder.Path));
    }

    [Fact]
    public void ThisMachinesSdk_HasDocumentation()
    {
        var files = ReferencePacks.FindDocumentation();

        Assert.Contains(files, file => Path.GetFileName(file.Path) == "System.Runtime.xml");
        Assert.Distinct(files.Select(file => Path.GetFileName(file.Path)));
        Assert.All(files, file => Assert.Equal(CorpusFormat.XmlDoc, file.Format));
    }

    private static IEnumerable<string> Found(TemporaryFolder folder, int skip) =>
        ReferencePacks.FindDocumentation(folder.Path)
            .Select(file => string.Join(Path.DirectorySeparatorChar, Path.GetRelativePath(folder.Path, file.Path).Split(Path.DirectorySeparatorChar).Skip(skip)));
}
