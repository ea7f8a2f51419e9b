using System.Runtime.CompilerServices;

[assembly: AssemblyFixture(typeof(AdaptiveSoftmax.Package.Tests.PackedFeed))]

namespace AdaptiveSoftmax.Package.Tests;

/// <summary>A folder with the packages as they would be published, and room for projects that use them.</summary>
public sealed class PackedFeed : IAsyncLifetime
{
#if DEBUG
    private const string Configuration = "Debug";
#else
    private const string Configuration = "Release";
#endif

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("package");

    /// <summary>The root of the repository.</summary>
    public static string Root { get; } = Path.GetFullPath("../..", Path.GetDirectoryName(ThisFile())!);

    /// <summary>The packages by their ids.</summary>
    public IReadOnlyDictionary<string, string> Packages => Directory.GetFiles(Path.Combine(_folder.FullName, "feed"), "*.nupkg")
        .ToDictionary(path => Path.GetFileName(path)[..Path.GetFileName(path).IndexOf(".0.", StringComparison.Ordinal)]);

    /// <summary>The package with the generator.</summary>
    public string PackagePath => Packages["AdaptiveSoftmax"];

    /// <summary>Whether the packages are as they would be published.</summary>
    public static bool IsRelease => Configuration == "Release";

    public async ValueTask InitializeAsync() => await PackAsync("feed", [.. Directory.GetDirectories(Path.Combine(Root, "src")).SelectMany(project => Directory.GetFiles(project, "*.csproj"))]);

    /// <summary>Where a folder says which packages its projects see.</summary>
    internal const string ConfigurationFile = "NuGet.config";

    /// <summary>What it says where they see those of the machine as well, for runtimes and compilers.</summary>
    internal static string ConfigurationWithOthers { get; } = Configured("");

    /// <summary>Packs projects that are built, with more properties, into a folder beside the feed.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="projects">The projects.</param>
    /// <param name="properties">More properties: <c>Name=Value</c>.</param>
    internal async Task<string> PackAsync(string folder, string[] projects, params string[] properties)
    {
        var output = Path.Combine(_folder.FullName, folder);
        string[] all = [$"Configuration={Configuration}", "NoBuild=true", $"PackageOutputPath={output}", .. properties];
        var packing = Path.Combine(_folder.FullName, "pack.proj");
        await File.WriteAllTextAsync(packing, $"""
            <Project>
              <Target Name="Pack">
                <MSBuild Projects="{string.Join(';', projects)}" Targets="Pack" Properties="{string.Join(';', all)}" BuildInParallel="true" />
              </Target>
            </Project>
            """);
        var (exitCode, text) = await DotNet.RunAsync(Root, "msbuild", packing, "-target:Pack", "-maxCpuCount:2");
        Assert.True(exitCode == 0, text);
        return output;
    }

    public ValueTask DisposeAsync()
    {
        _folder.Delete(recursive: true);
        return ValueTask.CompletedTask;
    }

    /// <summary>The package's version.</summary>
    public string Version => Path.GetFileNameWithoutExtension(PackagePath)["AdaptiveSoftmax.".Length..];

    /// <summary>Writes a project of its own that references the package by its version and nothing else.</summary>
    /// <param name="name">The name of folder and project.</param>
    /// <param name="files">The other files by their paths.</param>
    internal string CreateProject(string name, params (string Path, string Text)[] files) =>
        CreateFolder(name, [($"{name}.csproj", Project("Microsoft.NET.Sdk", "<TreatWarningsAsErrors>true</TreatWarningsAsErrors><AnalysisLevel>latest-all</AnalysisLevel><EnforceCodeStyleInBuild>true</EnforceCodeStyleInBuild><GenerateDocumentationFile>true</GenerateDocumentationFile>")), .. files]);

    /// <summary>The text of a project that references the package and nothing else.</summary>
    /// <param name="sdk">The SDK.</param>
    /// <param name="properties">More properties.</param>
    /// <param name="items">More items.</param>
    internal string Project(string sdk, string properties = "", string items = "") => $"""
        <Project Sdk="{sdk}">
          <PropertyGroup>
            <TargetFramework>net10.0</TargetFramework>
            <OutputType>Exe</OutputType>
            <Nullable>enable</Nullable>
            <ImplicitUsings>enable</ImplicitUsings>
            <RestorePackagesPath>../packages</RestorePackagesPath>
            {properties}
          </PropertyGroup>
          <ItemGroup>
            <PackageReference Include="AdaptiveSoftmax" Version="{Version}" />
            {items}
          </ItemGroup>
        </Project>
        """;

    /// <summary>Writes a folder in which projects see the packages, and neither this repository's rules nor the machine's package cache.</summary>
    /// <param name="name">The name of the folder.</param>
    /// <param name="files">The files by their paths.</param>
    internal string CreateFolder(string name, params (string Path, string Text)[] files)
    {
        (string Path, string Text)[] own =
        [
            (ConfigurationFile, Configured("<clear />")),
            ("Directory.Build.props", "<Project />"),
            ("Directory.Build.targets", "<Project />"),
            ("Directory.Packages.props", "<Project />"),
        ];
        var folder = Path.Combine(_folder.FullName, name);
        foreach (var (path, text) in own.Concat(files))
        {
            var full = Path.Combine(folder, path);
            Directory.CreateDirectory(Path.GetDirectoryName(full)!);
            File.WriteAllText(full, text);
        }

        return folder;
    }

    private static string Configured(string others) => $"""
        <configuration>
          <packageSources>{others}<add key="packed" value="../feed" /></packageSources>
          <fallbackPackageFolders><clear /></fallbackPackageFolders>
        </configuration>
        """;

    private static string ThisFile([CallerFilePath] string file = "") => file;
}
