using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>Finds the weights in the folder of a model.</summary>
internal static class WeightsFolder
{
    // What libraries save under these names comes first; then whatever is there alone.
    private static readonly string[] s_names = ["model.safetensors.index.json", "model.safetensors", "pytorch_model.bin.index.json", "pytorch_model.bin"];
    private static readonly string[] s_patterns = ["*.safetensors.index.json", "*.safetensors", "*.bin.index.json", "*.bin", "*.pt", "*.pth", "*.ckpt"];

    /// <summary>The index of the model's files, or the one file.</summary>
    /// <exception cref="FileNotFoundException">There is none.</exception>
    /// <exception cref="IOException">There are several, and nothing says which.</exception>
    public static string FindFile(string folder)
    {
        if (s_names.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists) is { } known) return known;
        foreach (var pattern in s_patterns)
        {
            var found = Directory.EnumerateFiles(folder, pattern).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal).ToList();
            if (found.Count == 1) return Path.Combine(folder, found[0]);
            if (found.Count > 1)
                throw new IOException($"The folder '{Excerpt.Line(folder)}' has several files of weights: {Excerpt.List(found, found.Count, name => name)}. Name one of them, or the index that joins them.");
        }

        throw new FileNotFoundException($"The folder '{Excerpt.Line(folder)}' has no weights: no {string.Join(", ", s_patterns)}. Name the file.", folder);
    }
}
