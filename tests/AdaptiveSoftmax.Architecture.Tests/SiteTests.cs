using System.Diagnostics;
using System.Net;
using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Text.Json;
using System.Text.RegularExpressions;
using AdaptiveSoftmax.Testing;

namespace AdaptiveSoftmax.Architecture.Tests;

/// <summary>The documentation's site, as <c>eng/site.sh</c> makes it of the Release build.</summary>
[OnlyAtNight]
public sealed partial class SiteTests(SiteTests.Site site) : IClassFixture<SiteTests.Site>
{
    private static readonly string[] s_folders = ["docs", "benchmarks", "samples", "src"];

    [Fact]
    public void Build_EndsWithoutWarnings()
    {
        Assert.True(site.ExitCode == 0, site.Output);
        Assert.DoesNotContain("warning:", site.Output, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(["0 warning(s)", "0 warning(s)"], Warnings().Matches(site.Output).Select(match => match.Value));
    }

    [Fact]
    public void EveryPageOfTheRepository_HasItsPage_AndIsFound()
    {
        var index = JsonDocument.Parse(site.Read("index.json")).RootElement;
        var pages = Pages();
        Assert.True(pages.Length > 70, "The pages of the repository were not found.");
        Assert.All(pages, page =>
        {
            var title = Repository.Read(page).Split('\n').First(line => line.StartsWith("# ", StringComparison.Ordinal))[2..];
            var html = Path.ChangeExtension(page, ".html");
            var shown = Heading().Match(site.Read(html)).Groups[1].Value;
            Assert.Equal(Text(title), Text(WebUtility.HtmlDecode(Tag().Replace(shown, ""))));
            Assert.True(index.TryGetProperty(html, out var entry), $"{html} is not in the index of the search.");
            Assert.StartsWith(Text(title), Text(entry.GetProperty("title").GetString()!), StringComparison.Ordinal);
        });

        // As words, whatever marks them.
        static string Text(string markdown) => NoWord().Replace(markdown, " ").Trim();
    }

    [Fact]
    public void TableOfContents_LeadsToEveryPage()
    {
        var guide = Hrefs(site.Read("guide/toc.html")).Select(href => Path.GetRelativePath("/", Path.GetFullPath(href, "/guide"))).ToHashSet();
        var diagnostics = Hrefs(site.Read("docs/diagnostics/README.html")).Select(href => $"docs/diagnostics/{href}");
        guide.UnionWith(diagnostics);
        Assert.Empty(Pages().Select(page => Path.ChangeExtension(page, ".html")).Except(guide));
    }

    [Fact]
    public void EveryPublicType_HasItsPage_WithItsSummary()
    {
        var types = Directory.EnumerateFiles(Path.Combine(Repository.Root, "src"), "PublicAPI.Unshipped.txt", SearchOption.AllDirectories)
            .Select(file => Path.GetFileName(Path.GetDirectoryName(file)!))
            .SelectMany(library => PublicTypes(Path.Combine(Repository.Root, "src", library, "bin", "Release", "net10.0", $"{library}.dll")))
            .ToList();
        Assert.True(types.Count > 200, "The public types of the libraries were not found.");
        Assert.All(types, type =>
        {
            var page = site.Read($"api/{type.Replace('`', '-')}.html");
            Assert.Contains("<h1", page, StringComparison.Ordinal);
            Assert.True(Summary().Match(page).Groups[1].Value.Trim().Length > 10, $"The page of {type} has no summary.");
        });
    }

    [Fact]
    public void Links_LeadToPlacesThatAreThere()
    {
        var places = new Dictionary<string, HashSet<string>>();
        var broken = new SortedSet<string>(StringComparer.Ordinal);
        var count = 0;
        foreach (var file in Directory.EnumerateFiles(site.Folder, "*.html", SearchOption.AllDirectories))
        {
            var page = Path.GetRelativePath(site.Folder, file).Replace('\\', '/');
            foreach (var href in Hrefs(site.Read(page)).Where(href => !href.Contains(':', StringComparison.Ordinal)))
            {
                count++;
                var parts = href.Split('#', 2);
                var target = parts[0].Length == 0 ? page : Path.GetRelativePath("/", Path.GetFullPath(parts[0], Path.GetDirectoryName($"/{page}")!));
                if (!File.Exists(Path.Combine(site.Folder, target))) broken.Add($"{page}: {href}");
                else if (parts.Length == 2 && parts[1].Length > 0 && !PlacesOf(target).Contains(parts[1])) broken.Add($"{page}: {href}");
            }
        }

        Assert.True(count > 3_000, $"{count} links were found.");
        Assert.True(broken.Count == 0, string.Join(Environment.NewLine, broken));

        HashSet<string> PlacesOf(string page) => places.TryGetValue(page, out var found)
            ? found
            : places[page] = [.. Id().Matches(site.Read(page)).Select(match => WebUtility.HtmlDecode(match.Groups[1].Value))];
    }

    [Fact]
    public void WhatAMemberDocumentsItself_IsNotTheInheritedText()
    {
        // Some overloads on hidden vectors of the device inherit what those of the host do, and say themselves where theirs are.
        const string Own = "Hidden vectors, [rows, hidden].", Summary = "The most probable tokens of each hidden vector that lies on the device.";
        var page = WebUtility.HtmlDecode(Tag().Replace(site.Read("api/AdaptiveSoftmax.Gpu.GpuDecodeSession.html"), ""));
        var source = Repository.Read("src/AdaptiveSoftmax.Gpu/GpuDecodeSession.cs");
        Assert.Equal(source.Split($">{Own}<").Length, page.Split(Own).Length);
        Assert.Equal(source.Split($">{Summary}<").Length, page.Split(Summary).Length);
    }

    private static string[] Pages() =>
    [
        .. s_folders
            .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(Repository.Root, folder), "*.md", SearchOption.AllDirectories))
            .Concat(Directory.EnumerateFiles(Repository.Root, "*.md"))
            .Select(file => Path.GetRelativePath(Repository.Root, file).Replace('\\', '/'))
            .Where(file => !file.Split('/').Any(folder => folder is "bin" or "obj" or "content"))
            .Order(StringComparer.Ordinal),
    ];

    private static IEnumerable<string> Hrefs(string html) => Href().Matches(html).Select(match => WebUtility.HtmlDecode(match.Groups[1].Value));

    private static List<string> PublicTypes(string assembly)
    {
        using var image = new PEReader(File.OpenRead(assembly));
        var reader = image.GetMetadataReader();
        return [.. reader.TypeDefinitions.Where(IsPublic).Select(Name).Where(name => !name.Contains('<', StringComparison.Ordinal))];

        bool IsPublic(TypeDefinitionHandle handle)
        {
            var type = reader.GetTypeDefinition(handle);
            if (IsHidden(type)) return false;
            var visibility = type.Attributes & TypeAttributes.VisibilityMask;
            return visibility == TypeAttributes.Public
                || (visibility is TypeAttributes.NestedPublic or TypeAttributes.NestedFamily or TypeAttributes.NestedFamORAssem && IsPublic(type.GetDeclaringType()));
        }

        // [EditorBrowsable(Never)]: for generated classes, and shown nowhere.
        bool IsHidden(TypeDefinition type) => type.GetCustomAttributes().Select(reader.GetCustomAttribute).Any(attribute =>
            attribute.Constructor.Kind == HandleKind.MemberReference
            && reader.GetMemberReference((MemberReferenceHandle)attribute.Constructor).Parent is { Kind: HandleKind.TypeReference } parent
            && reader.GetString(reader.GetTypeReference((TypeReferenceHandle)parent).Name) == "EditorBrowsableAttribute"
            && reader.GetBlobBytes(attribute.Value)[2] == 1);

        string Name(TypeDefinitionHandle handle)
        {
            var type = reader.GetTypeDefinition(handle);
            var name = reader.GetString(type.Name);
            if (type.IsNested) return $"{Name(type.GetDeclaringType())}.{name}";
            return $"{reader.GetString(type.Namespace)}.{name}";
        }
    }

    [GeneratedRegex(@"\d+ warning\(s\)")]
    private static partial Regex Warnings();

    [GeneratedRegex("<h1[^>]*>(.*?)</h1>", RegexOptions.Singleline)]
    private static partial Regex Heading();

    [GeneratedRegex("<[^>]*>")]
    private static partial Regex Tag();

    [GeneratedRegex(@"\W+")]
    private static partial Regex NoWord();

    [GeneratedRegex("""<a [^>]*?href="([^"]*)""")]
    private static partial Regex Href();

    [GeneratedRegex("""\bid="([^"]*)""")]
    private static partial Regex Id();

    [GeneratedRegex("""<div class="markdown summary">(.*?)</div>""", RegexOptions.Singleline)]
    private static partial Regex Summary();

    /// <summary>Builds the site once.</summary>
    public sealed class Site
    {
        public Site()
        {
            var start = new ProcessStartInfo("bash", ["eng/site.sh", "--no-build"])
            {
                WorkingDirectory = Repository.Root,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            using var process = Process.Start(start)!;
            var errors = process.StandardError.ReadToEndAsync();
            Output = process.StandardOutput.ReadToEnd() + errors.GetAwaiter().GetResult();
            process.WaitForExit();
            ExitCode = process.ExitCode;
        }

        public int ExitCode { get; }

        public string Output { get; }

        public string Folder { get; } = Path.Combine(Repository.Root, "artifacts", "site");

        public string Read(string page) => File.ReadAllText(Path.Combine(Folder, page));
    }
}
