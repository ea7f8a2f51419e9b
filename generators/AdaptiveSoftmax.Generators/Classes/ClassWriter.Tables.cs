using AdaptiveSoftmax.Vocabulary;
using Microsoft.CodeAnalysis.Text;

namespace AdaptiveSoftmax.Generators;

// Writing the file with the look-up tables.
internal static partial class ClassWriter
{
    public static SourceText WriteTables(TableSource source)
    {
        var (lookup, form) = source;
        var writer = new SourceWriter();
        OpenClass(writer, lookup.Class, lookup.SpecPath, baseType: "");
        writer.WriteLines($$"""
            /// <summary>The tables of the vocabulary's look-ups, in the memory that the assembly is mapped to.</summary>
            {{GeneratedCode}}
            """);
        writer.OpenBlock("private readonly struct Tables : global::AdaptiveSoftmax.Vocabulary.ITokenLookup, global::AdaptiveSoftmax.Vocabulary.IIdLookup");
        foreach (var constant in lookup.Lookup.Constants)
            writer.WriteLines($"public static {constant.Type} {constant.Name} => {constant.Value};");
        foreach (var blob in lookup.Lookup.Blobs)
        {
            writer.WriteLine();
            WriteBlob(writer, blob, form);
        }

        writer.CloseBlock();
        CloseClass(writer, lookup.Class);
        return writer.ToText();
    }

    private static void WriteBlob(SourceWriter writer, TableBlob blob, TableForm form)
    {
        var property = $"public static global::System.ReadOnlySpan<byte> {blob.Name} =>";
        if (blob.Bytes.Length == 0)
        {
            writer.WriteLines($"{property} default;");
        }
        else if (form == TableForm.StringLiteral)
        {
            writer.WriteLines(property);
            writer.WriteStringLiteral("    global::System.Runtime.InteropServices.MemoryMarshal.AsBytes(global::System.MemoryExtensions.AsSpan(", blob.Bytes, "));");
        }
        else
        {
            writer.WriteLines($"{property} global::System.Runtime.InteropServices.MemoryMarshal.AsBytes({blob.Name}Data);");
            // Nullable analysis would visit each number, which takes the compiler longer than all the rest.
            writer.WriteLines($$"""

                #nullable disable
                private static global::System.ReadOnlySpan<ulong> {{blob.Name}}Data => new ulong[]
                {
                """);
            writer.WriteNumbers(blob.Bytes);
            writer.WriteLines("""
                };
                #nullable enable
                """);
        }
    }
}
