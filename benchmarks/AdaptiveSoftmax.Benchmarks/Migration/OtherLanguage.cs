using System.Collections;
using System.Reflection;
using System.Resources;
using System.Runtime.InteropServices;
using AdaptiveSoftmax.Corpus;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>Text of other languages that every SDK has: its own messages, translated.</summary>
internal static class OtherLanguage
{
    public const string Spanish = "es";
    public const string German = "de";

    /// <summary>How often each token id of o200k_base occurs in a language's messages.</summary>
    /// <exception cref="CorpusException">The SDK has no messages in that language.</exception>
    public static long[] Count(string culture, ComparisonSession session)
    {
        var tokenizer = CorpusTokenizer.Create("o200k_base");
        var counts = new long[tokenizer.Vocabulary.Count];
        foreach (var text in Texts(culture, session))
        {
            foreach (var id in tokenizer.Encode(text, session.Cancellation)) counts[id]++;
        }

        session.Note($"{counts.Sum():N0} tokens of the SDK's messages in the language {culture}, {counts.Count(count => count > 0):N0} of them distinct");
        return counts;
    }

    /// <summary>The messages, each once.</summary>
    /// <exception cref="CorpusException">The SDK has no messages in that language.</exception>
    public static IReadOnlyList<string> Texts(string culture, ComparisonSession session)
    {
        var texts = new List<string>();
        var seen = new HashSet<string>();
        var root = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", "sdk"));
        string[] files = Directory.Exists(root) ? [.. Directory.EnumerateFiles(root, "*.resources.dll", SearchOption.AllDirectories).Order(StringComparer.Ordinal)] : [];
        foreach (var file in files)
        {
            if (Path.GetFileName(Path.GetDirectoryName(file)) != culture) continue;
            session.Cancellation.ThrowIfCancellationRequested();
            texts.AddRange(ReadTexts(file).Where(seen.Add));
        }

        if (texts.Count == 0) throw new CorpusException($"The SDK under {root} has no messages in the language {culture}; take one with its translations.");
        return texts;
    }

    private static List<string> ReadTexts(string file)
    {
        var texts = new List<string>();
        var assembly = Assembly.Load(File.ReadAllBytes(file));
        foreach (var name in assembly.GetManifestResourceNames().Where(name => name.EndsWith(".resources", StringComparison.Ordinal)))
        {
            using var reader = new ResourceReader(assembly.GetManifestResourceStream(name)!);
            foreach (DictionaryEntry entry in reader)
            {
                if (entry.Value is string text) texts.Add(text);
            }
        }

        return texts;
    }
}
