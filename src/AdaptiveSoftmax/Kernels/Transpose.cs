using System.Runtime.CompilerServices;

namespace AdaptiveSoftmax;

/// <summary>Turns blocks of vectors between [tokens, columns] and the kernels' [columns, lanes].</summary>
internal static unsafe class Transpose
{
    private const int Tile = 16;

    /// <summary>target[c, t] = source[t, c]; lanes past the tokens become zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void ToLanes(float* source, int tokens, int columns, float* target, int lanes)
    {
        for (var column = 0; column < columns; column += Tile)
        {
            var columnEnd = Math.Min(columns, column + Tile);
            for (var token = 0; token < tokens; token += Tile)
            {
                var tokenEnd = Math.Min(tokens, token + Tile);
                for (var c = column; c < columnEnd; c++)
                {
                    var row = target + ((nint)c * lanes);
                    for (var t = token; t < tokenEnd; t++) row[t] = source[((nint)t * columns) + c];
                }
            }

            for (var c = column; c < columnEnd; c++) new Span<float>(target + ((nint)c * lanes) + tokens, lanes - tokens).Clear();
        }
    }

    /// <summary>target[t, c] = source[c, t], with rows of the target <paramref name="stride"/> floats apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void FromLanes(float* source, int lanes, int tokens, int columns, float* target, nint stride)
    {
        for (var column = 0; column < columns; column += Tile)
        {
            var columnEnd = Math.Min(columns, column + Tile);
            for (var t = 0; t < tokens; t++)
            {
                var row = target + (t * stride);
                for (var c = column; c < columnEnd; c++) row[c] = source[((nint)c * lanes) + t];
            }
        }
    }
}
