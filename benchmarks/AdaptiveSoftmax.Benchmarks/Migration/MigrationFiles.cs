using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>Weights and states that take minutes to make, which migrations are measured with: made once, and kept.</summary>
internal static class MigrationFiles
{
    private static readonly string s_folder = Path.Combine("artifacts", "migrate");

    /// <summary>Gives files by their names, made where one of them is not there.</summary>
    /// <param name="names">Their names.</param>
    /// <param name="make">Makes all of them, given their paths.</param>
    /// <param name="session">Told where they come from.</param>
    /// <returns>Their paths.</returns>
    public static string[] Get(string[] names, Action<string[]> make, ComparisonSession session)
    {
        Directory.CreateDirectory(s_folder);
        string[] paths = [.. names.Select(name => Path.Combine(s_folder, name))];
        if (paths.All(File.Exists))
        {
            session.Note($"{string.Join(", ", names)} of an earlier run in {s_folder}; without them they are made anew.");
            return paths;
        }

        make(paths);
        return paths;
    }

    /// <summary>A spec and its table as they are when read from files.</summary>
    public static SoftmaxDefinition Define(SoftmaxSpec spec, TokenTable table)
    {
        using var json = new StringWriter();
        using var tokens = new StringWriter();
        SpecWriter.Write(json, spec);
        TokenTableWriter.Write(tokens, table);
        var read = SoftmaxDefinitionReader.Read("new.softmax.json", json.ToString(), spec.TableFile!, tokens.ToString());
        return read.Definition ?? throw new InvalidOperationException(read.Errors[0].ToString());
    }
}
