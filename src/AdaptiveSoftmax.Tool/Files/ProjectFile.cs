using System.Xml;
using System.Xml.Linq;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Files;

/// <summary>A project in C#: where it stands, and what its file says.</summary>
/// <param name="Path">The project's file.</param>
/// <param name="RootNamespace">The namespace of its classes.</param>
/// <param name="HasPackage">Whether it references the package with the generator, as far as its own file says.</param>
internal sealed record ProjectFile(string Path, string RootNamespace, bool HasPackage)
{
    private const string Extension = ".csproj";
    private const string Package = "AdaptiveSoftmax";

    // Those of our packages that bring the generator along.
    private static readonly string[] s_bringing = [Package, "AdaptiveSoftmax.Distributed", "AdaptiveSoftmax.Gpu", "AdaptiveSoftmax.TorchSharp", "AdaptiveSoftmax.Extensions.AI"];

    /// <summary>The folder that it stands in.</summary>
    public string Folder => System.IO.Path.GetDirectoryName(Path)!;

    /// <summary>Finds the project of a folder, or reads the one that is named.</summary>
    /// <exception cref="ToolException">There is none or more than one, or it is no project.</exception>
    public static ProjectFile Find(string path)
    {
        var file = path;
        if (Directory.Exists(path))
        {
            var found = Directory.GetFiles(path, $"*{Extension}").Order(StringComparer.Ordinal).ToArray();
            file = found.Length switch
            {
                1 => found[0],
                0 => throw new ToolException($"The folder {Excerpt.Line(path)} has no *{Extension}; make one with `dotnet new console`, or name one with --project."),
                _ => throw new ToolException($"The folder {Excerpt.Line(path)} has {found.Length} projects ({string.Join(", ", found.Select(each => Excerpt.Line(System.IO.Path.GetFileName(each))))}); name one with --project."),
            };
        }

        if (!file.EndsWith(Extension, StringComparison.OrdinalIgnoreCase)) throw new ToolException($"{Excerpt.Line(file)} is no project in C#: name a *{Extension} or its folder with --project. Classes are generated in C# alone.");
        RegularFile.Check(file);
        try
        {
            var project = XDocument.Parse(RegularFile.ReadText(file, CancellationToken.None));
            var named = project.Descendants().LastOrDefault(element => element.Name.LocalName == "RootNamespace")?.Value.Trim();
            var name = System.IO.Path.GetFileNameWithoutExtension(file);
            // One that is computed is not known here.
            var root = named is { Length: > 0 } && !named.Contains('$', StringComparison.Ordinal) ? named : name;
            var hasPackage = project.Descendants().Any(element => element.Name.LocalName == "PackageReference" && s_bringing.Contains(element.Attribute("Include")?.Value, StringComparer.OrdinalIgnoreCase));
            return CSharpNames.ToNamespace(root) is { Length: > 0 } space
                ? new ProjectFile(System.IO.Path.GetFullPath(file), space, hasPackage)
                : throw new ToolException($"{Excerpt.Line(file)} gives its classes no namespace: nothing of the name \"{Excerpt.Line(root)}\" is left for one. Put a <RootNamespace> into it, such as News.");
        }
        catch (XmlException exception)
        {
            throw new ToolException($"{Excerpt.Line(file)} is no project: {exception.Message}");
        }
    }
}
