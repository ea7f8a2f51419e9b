using System.Runtime.InteropServices;

namespace LanguageModelSample;

/// <summary>How embeddings lie in a device's memory.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct RowSizes
{
    /// <summary>The embeddings of a token's window.</summary>
    public int Window;

    /// <summary>The values of an embedding.</summary>
    public int Columns;

    /// <summary>The values from one embedding of the table to the next.</summary>
    public int TableStride;

    /// <summary>The values from one token's window to the next.</summary>
    public int TokenStride;
}
