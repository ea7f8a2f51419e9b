using System.IO.Compression;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace AdaptiveSoftmax.Package.Tests;

/// <summary>What every package holds, and what it must not.</summary>
public sealed partial class ContentTests(PackedFeed feed)
{
    [Theory]
    [InlineData("AdaptiveSoftmax.Vocabulary", "net10.0:|.NETStandard2.0:System.Memory")]
    [InlineData("AdaptiveSoftmax", "net10.0:AdaptiveSoftmax.Vocabulary")]
    [InlineData("AdaptiveSoftmax.Corpus", "net10.0:AdaptiveSoftmax.Vocabulary,Microsoft.ML.Tokenizers,Microsoft.ML.Tokenizers.Data.Cl100kBase,Microsoft.ML.Tokenizers.Data.O200kBase,Microsoft.ML.Tokenizers.Data.R50kBase,Parquet.Net,Sylvan.Data.Csv,ZstdSharp.Port")]
    [InlineData("AdaptiveSoftmax.Plots", "net10.0:AdaptiveSoftmax.Vocabulary,ScottPlot")]
    [InlineData("AdaptiveSoftmax.Distributed", "net10.0:AdaptiveSoftmax")]
    [InlineData("AdaptiveSoftmax.Extensions.AI", "net10.0:AdaptiveSoftmax,Microsoft.Extensions.AI.Abstractions,Microsoft.Extensions.DependencyInjection.Abstractions")]
    [InlineData("AdaptiveSoftmax.Gpu", "net10.0:AdaptiveSoftmax,ILGPU,ILGPU.Algorithms")]
    [InlineData("AdaptiveSoftmax.TorchSharp", "net10.0:AdaptiveSoftmax,TorchSharp")]
    [InlineData("AdaptiveSoftmax.Tool", "")]
    public void Dependencies_AreThoseThatTheProjectNames(string package, string expected)
    {
        var groups = Nuspec(package).Descendants().Where(element => element.Name.LocalName == "group");
        Assert.Equal(expected, string.Join('|', groups.Select(group =>
            $"{group.Attribute("targetFramework")!.Value}:{string.Join(',', group.Elements().Select(element => element.Attribute("id")!.Value).Order(StringComparer.Ordinal))}")));
    }

    [Fact]
    public void OwnPackages_AreAskedForByTheVersionThatInternalsAreOf()
    {
        var own = feed.Packages.Keys.SelectMany(package => Nuspec(package).Descendants().Where(element => element.Name.LocalName == "dependency" && element.Attribute("id")!.Value.StartsWith("AdaptiveSoftmax", StringComparison.Ordinal))).ToArray();
        Assert.NotEmpty(own);
        Assert.All(own, dependency => Assert.Equal($"[{feed.Version}]", dependency.Attribute("version")!.Value));
    }

    [Fact]
    public void Package_HasItsOwnPageTagsAndDescription_AndTheIcon()
    {
        var told = feed.Packages.Select(package =>
        {
            using var archive = ZipFile.OpenRead(package.Value);
            using var reader = new StreamReader(archive.GetEntry("README.md")!.Open());
            Assert.NotNull(archive.GetEntry("icon.png"));
            return (Page: reader.ReadToEnd(), Description: Text("description"), Tags: Text("tags"), Icon: Text("icon"), Notes: Text("releaseNotes"));

            string Text(string name) => Nuspec(package.Key).Descendants().Single(element => element.Name.LocalName == name).Value;
        }).ToArray();
        Assert.Equal(told.Length, told.DistinctBy(package => package.Page).Count());
        Assert.Equal(told.Length, told.DistinctBy(package => package.Description).Count());
        Assert.Equal(told.Length, told.DistinctBy(package => package.Tags).Count());
        Assert.All(told, package => Assert.Equal(("icon.png", "See CHANGELOG.md in the package."), (package.Icon, package.Notes)));
    }

    [Theory]
    [InlineData("AdaptiveSoftmax", true)]
    [InlineData("AdaptiveSoftmax.Vocabulary", true)]
    [InlineData("AdaptiveSoftmax.Distributed", true)]
    [InlineData("AdaptiveSoftmax.Extensions.AI", true)]
    [InlineData("AdaptiveSoftmax.Gpu", false)] // ILGPU reads IL
    public void Library_SaysWhetherItMayBeTrimmed(string package, bool expected)
    {
        using var archive = ZipFile.OpenRead(feed.Packages[package]);
        using var memory = new MemoryStream();
        using (var stream = archive.GetEntry($"lib/net10.0/{package}.dll")!.Open()) stream.CopyTo(memory);
        using var assembly = new PEReader([.. memory.ToArray()]);
        var reader = assembly.GetMetadataReader();
        // [assembly: AssemblyMetadata("IsTrimmable", "True")], as the trimmer looks for it.
        var marks = reader.GetAssemblyDefinition().GetCustomAttributes().Select(handle => reader.GetBlobContent(reader.GetCustomAttribute(handle).Value)).Select(blob => Encoding.UTF8.GetString(blob.AsSpan()));
        Assert.Equal(expected, marks.Any(mark => mark.Contains("IsTrimmable", StringComparison.Ordinal) && mark.Contains("True", StringComparison.Ordinal)));
    }

    [Fact]
    public void LinksOfPages_LeadToPagesInTheSamePackage()
    {
        foreach (var path in feed.Packages.Values)
        {
            using var archive = ZipFile.OpenRead(path);
            var entries = archive.Entries.Select(entry => entry.FullName).ToHashSet();
            var folders = entries.SelectMany(entry => entry.Split('/').SkipLast(1).Select((_, i) => string.Join('/', entry.Split('/').Take(i + 1)))).ToHashSet();
            Assert.Contains("README.md", entries);
            foreach (var page in archive.Entries.Where(entry => entry.FullName.EndsWith(".md", StringComparison.Ordinal)))
            {
                using var reader = new StreamReader(page.Open());
                foreach (Match link in Link.Matches(reader.ReadToEnd()))
                {
                    var target = Path.GetRelativePath("/", Path.GetFullPath(link.Groups[1].Value, Path.GetFullPath(Path.GetDirectoryName(page.FullName)!, "/")));
                    Assert.True(entries.Contains(target) || folders.Contains(target), $"{Path.GetFileName(path)}: {page.FullName} links to {link.Groups[1].Value}, which is not there.");
                }
            }
        }
    }

    [Fact]
    public void Packages_SayNothingOfTheMachineThatBuiltThem()
    {
        if (!PackedFeed.IsRelease) return;
        foreach (var path in feed.Packages.Values.Concat(feed.Packages.Values.Select(path => Path.ChangeExtension(path, ".snupkg")).Where(File.Exists)))
        {
            using var archive = ZipFile.OpenRead(path);
            foreach (var entry in archive.Entries)
            {
                using var memory = new MemoryStream();
                using (var stream = entry.Open()) stream.CopyTo(memory);
                var bytes = memory.ToArray();
                var where = $"{Path.GetFileName(path)}: {entry.FullName}";
                Assert.True(bytes.AsSpan().IndexOf(Encoding.UTF8.GetBytes(PackedFeed.Root)) < 0, where);
                Assert.True(bytes.AsSpan().IndexOf(Encoding.Unicode.GetBytes(PackedFeed.Root)) < 0, where);
                // Symbols hold paths in pieces.
                if (!entry.FullName.EndsWith(".pdb", StringComparison.Ordinal)) continue;
                using var symbols = MetadataReaderProvider.FromPortablePdbImage([.. bytes]);
                var reader = symbols.GetMetadataReader();
                Assert.All(reader.Documents, document => Assert.DoesNotContain(PackedFeed.Root, reader.GetString(reader.GetDocument(document).Name), StringComparison.Ordinal));
            }
        }
    }

    [Fact]
    public void Tool_BringsTheNoticesOfTheLibrariesInIt()
    {
        using var archive = ZipFile.OpenRead(feed.Packages["AdaptiveSoftmax.Tool"]);
        using var reader = new StreamReader(archive.GetEntry("THIRD-PARTY-NOTICES.txt")!.Open());
        var notices = reader.ReadToEnd();
        var libraries = archive.Entries.Select(entry => entry.Name).Where(name => name.EndsWith(".dll", StringComparison.Ordinal) && !name.StartsWith("AdaptiveSoftmax", StringComparison.Ordinal)).ToArray();
        Assert.NotEmpty(libraries);
        Assert.All(libraries, library => Assert.Contains(library, notices, StringComparison.Ordinal));
        // And it names none that are gone.
        Assert.All(NoticedLibrary.Matches(notices).Select(match => match.Value), library => Assert.Contains(library, libraries));
    }

    [Fact]
    public async Task AddressOfTheRepository_IsWhatLinksLeadTo()
    {
        const string address = "https://code.example/adaptive-softmax";
        var folder = await feed.PackAsync("published", [Path.Combine(PackedFeed.Root, "src/AdaptiveSoftmax.Vocabulary/AdaptiveSoftmax.Vocabulary.csproj")], $"RepositoryUrl={address}");
        using var archive = ZipFile.OpenRead(Assert.Single(Directory.GetFiles(folder, "*.nupkg")));
        using var reader = new StreamReader(archive.GetEntry("README.md")!.Open());
        var readme = await reader.ReadToEndAsync(TestContext.Current.CancellationToken);
        var page = await File.ReadAllTextAsync(Path.Combine(PackedFeed.Root, "src/AdaptiveSoftmax.Vocabulary/README.md"), TestContext.Current.CancellationToken);
        Assert.Equal(page.Replace("](../../", $"]({address}/blob/main/", StringComparison.Ordinal).TrimEnd(), readme.TrimEnd());
        using var nuspec = new StreamReader(archive.GetEntry("AdaptiveSoftmax.Vocabulary.nuspec")!.Open());
        Assert.Contains($"<projectUrl>{address}</projectUrl>", await nuspec.ReadToEndAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    private XDocument Nuspec(string package)
    {
        using var archive = ZipFile.OpenRead(feed.Packages[package]);
        using var stream = archive.GetEntry($"{package}.nuspec")!.Open();
        return XDocument.Load(stream);
    }

    // Relative ones, without the place in the page.
    [GeneratedRegex(@"\]\((?!https?:|#)([^)#]+)")]
    private static partial Regex Link { get; }

    [GeneratedRegex(@"[\w.]+\.dll")]
    private static partial Regex NoticedLibrary { get; }
}
