using System.ComponentModel;
using System.Diagnostics;

namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// Finds the XML documentation of .NET's own API, which the SDK brings in its reference packs: some 40 MB of English
/// prose and identifiers that stand on any machine that builds .NET code.
/// </summary>
public static class ReferencePacks
{
    /// <summary>The packs that are read, in this order; a later one repeats files of an earlier one.</summary>
    public static IReadOnlyList<string> Names { get; } = ["Microsoft.NETCore.App.Ref", "Microsoft.AspNetCore.App.Ref"];

    // Installers exist whose packs document only some assemblies; a pack without this file is looked for elsewhere.
    private const string Landmark = "System.Runtime.xml";

    /// <summary>
    /// The documentation files of the newest version of each pack, in ordinal order of their names within a pack. A
    /// file that an earlier pack has by the same name is left out.
    /// </summary>
    /// <param name="packsFolder">
    /// A folder that holds the packs by name, in any case: an SDK's <c>packs</c> folder or NuGet's package folder. If
    /// omitted, the .NET installations of this machine are searched, then NuGet's package folder.
    /// </param>
    /// <exception cref="CorpusException">There are no packs with documentation; the message says where they were sought.</exception>
    public static IReadOnlyList<CorpusFile> FindDocumentation(string? packsFolder = null)
    {
        var searched = new List<string>();
        string[] framework = [];
        foreach (var folder in packsFolder is null ? CandidateFolders() : [packsFolder])
        {
            if (searched.Contains(folder)) continue;
            searched.Add(folder);
            var found = FindPackFiles(folder, Names[0]);
            if (framework.Length == 0) framework = found;
            if (!found.Any(path => Path.GetFileName(path) == Landmark)) continue;
            framework = found;
            break;
        }

        if (framework.Length == 0)
        {
            throw new CorpusException(
                $"No {Names[0]} with XML documentation was found in {string.Join(", ", searched)}. Install the .NET SDK, set DOTNET_ROOT to an " +
                "installation that has it, or name the folder that holds it; a package restored while NUGET_XMLDOC_MODE is \"skip\" has none.");
        }

        var others = Names.Skip(1).Select(pack => searched.Select(folder => FindPackFiles(folder, pack)).FirstOrDefault(found => found.Length > 0) ?? []);
        return [.. framework.Concat(others.SelectMany(found => found))
            .DistinctBy(path => Path.GetFileName(path), StringComparer.OrdinalIgnoreCase)
            .Select(path => new CorpusFile(path, CorpusFormat.XmlDoc, new FileInfo(path).Length))];
    }

    private static string[] FindPackFiles(string packsFolder, string pack)
    {
        // NuGet writes package folders in lower case, installers as the pack is called.
        var versions = Subfolders(packsFolder)
            .Where(folder => string.Equals(Path.GetFileName(folder), pack, StringComparison.OrdinalIgnoreCase))
            .SelectMany(Subfolders)
            .Select(folder => (Folder: folder, Version: PackVersion.Parse(Path.GetFileName(folder))))
            .Where(candidate => candidate.Version is not null)
            .OrderByDescending(candidate => candidate.Version);
        foreach (var (folder, _) in versions)
        {
            var files = Subfolders(Path.Combine(folder, "ref"))
                .Where(target => Path.GetFileName(target).StartsWith("net", StringComparison.Ordinal))
                .OrderDescending(StringComparer.Ordinal)
                .Select(target => Directory.GetFiles(target, "*.xml"))
                .FirstOrDefault(found => found.Length > 0);
            if (files is null) continue;
            Array.Sort(files, (a, b) => string.CompareOrdinal(Path.GetFileName(a), Path.GetFileName(b)));
            return files;
        }

        return [];
    }

    private static string[] Subfolders(string folder)
    {
        try
        {
            return Directory.Exists(folder) ? Directory.GetDirectories(folder) : [];
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>The packs folders of the .NET installations, the asked-for one first; starts a process only if it must.</summary>
    private static IEnumerable<string> CandidateFolders()
    {
        foreach (var root in CandidateRoots())
        {
            if (!string.IsNullOrEmpty(root)) yield return Path.GetFullPath(Path.Combine(root, "packs"));
        }

        // Restoring a project brings the packs here where the SDK has none.
        yield return PackageFolder();
    }

    private static IEnumerable<string?> CandidateRoots()
    {
        yield return Environment.GetEnvironmentVariable("DOTNET_ROOT");
        yield return RootOfHost(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH"));
        yield return RootOfHost(Environment.ProcessPath);

        // The shared framework stands in ROOT/shared/Microsoft.NETCore.App/VERSION.
        var framework = Path.GetDirectoryName(typeof(object).Assembly.Location);
        if (!string.IsNullOrEmpty(framework)) yield return Path.Combine(framework, "..", "..", "..");

        foreach (var root in RootsOfListedSdks()) yield return root;
    }

    private static string PackageFolder() =>
        Environment.GetEnvironmentVariable("NUGET_PACKAGES") is { Length: > 0 } packages
            ? packages
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");

    private static string? RootOfHost(string? path)
    {
        if (!File.Exists(path) || !string.Equals(Path.GetFileNameWithoutExtension(path), "dotnet", StringComparison.OrdinalIgnoreCase)) return null;
        return Path.GetDirectoryName(File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path);
    }

    /// <summary>Asks the SDK on the path: <c>10.0.401 [/usr/share/dotnet/sdk]</c> a line.</summary>
    private static List<string> RootsOfListedSdks()
    {
        var roots = new List<string>();
        try
        {
            using var process = Process.Start(new ProcessStartInfo("dotnet", "--list-sdks") { RedirectStandardOutput = true, UseShellExecute = false });
            if (process is null) return roots;
            foreach (var line in process.StandardOutput.ReadToEnd().Split('\n'))
            {
                var open = line.IndexOf('[', StringComparison.Ordinal);
                var close = line.LastIndexOf(']');
                if (open >= 0 && close > open && Path.GetDirectoryName(line[(open + 1)..close]) is { } root) roots.Insert(0, root);
            }

            process.WaitForExit();
        }
        catch (Win32Exception)
        {
            // There is no dotnet on the path.
        }

        return roots;
    }
}
