using System.Runtime.CompilerServices;

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

    /// <summary>The package itself.</summary>
    public string PackagePath => Directory.GetFiles(_folder.FullName, "AdaptiveSoftmax.*.nupkg", SearchOption.AllDirectories).Single(path => char.IsAsciiDigit(Path.GetFileName(path)["AdaptiveSoftmax.".Length]));

    public async ValueTask InitializeAsync()
    {
        var root = Path.GetFullPath("../..", Path.GetDirectoryName(ThisFile())!);
        foreach (var project in new[] { "AdaptiveSoftmax.Vocabulary", "AdaptiveSoftmax" })
        {
            var (exitCode, output) = await DotNet.RunAsync(root, "pack", $"src/{project}", "--configuration", Configuration, "--no-restore", "--output", Path.Combine(_folder.FullName, "feed"));
            Assert.True(exitCode == 0, output);
        }
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
            ("NuGet.config", """
                <configuration>
                  <packageSources><clear /><add key="packed" value="../feed" /></packageSources>
                  <fallbackPackageFolders><clear /></fallbackPackageFolders>
                </configuration>
                """),
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

    private static string ThisFile([CallerFilePath] string file = "") => file;
}
