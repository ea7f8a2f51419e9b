using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>Turns blocks of vectors between [tokens, columns] and the kernels' [columns, lanes].</summary>
internal static unsafe class Transpose
{
    private const int Tile = 16;
    private const int ColumnsPerTile = 128;

    /// <summary>target[c, t] = vectors[tokens[t], c]; lanes past the tokens become zero.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="vectors">Vectors, [any, columns].</param>
    /// <param name="tokens">Which of them, [count]; null for the first ones.</param>
    /// <param name="count">How many.</param>
    /// <param name="columns">The columns.</param>
    /// <param name="target">Receives the block, [columns, lanes].</param>
    /// <param name="lanes">The lanes, at least <paramref name="count"/>.</param>
    /// <param name="rows">Receives the vectors side by side too, [count, columns]; null where nobody wants them.</param>
    public static void Gather(WorkerPool pool, float* vectors, int* tokens, int count, int columns, float* target, int lanes, float* rows = null)
    {
        var body = new GatherBody { Vectors = vectors, Tokens = tokens, Count = count, Columns = columns, Target = target, Lanes = lanes, Rows = rows };
        pool.Run(ref body, (lanes + Tile - 1) / Tile);
    }

    /// <summary>vectors[tokens[t]] += rows[t].</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="rows">What to add, [count, columns].</param>
    /// <param name="vectors">The vectors, [any, columns].</param>
    /// <param name="tokens">To which of them, [count], each once.</param>
    /// <param name="count">How many.</param>
    /// <param name="columns">The columns.</param>
    public static void ScatterAdd(WorkerPool pool, float* rows, float* vectors, int* tokens, int count, int columns)
    {
        var body = new ScatterBody { Rows = rows, Targets = vectors, Tokens = tokens, Count = count, Columns = columns };
        pool.Run(ref body, (count + Tile - 1) / Tile);
    }

    /// <summary>target[t, c] = source[c, t], with rows of the target <paramref name="stride"/> floats apart.</summary>
    public static void FromLanes(WorkerPool pool, float* source, int lanes, int tokens, int columns, float* target, nint stride)
    {
        var body = new FromLanesBody { Source = source, Lanes = lanes, Tokens = tokens, Columns = columns, Target = target, Stride = stride };
        pool.Run(ref body, (columns + ColumnsPerTile - 1) / ColumnsPerTile);
    }

    /// <summary>The same on the calling thread.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void FromLanes(float* source, int lanes, int tokens, int columns, float* target, nint stride)
    {
        for (var column = 0; column < columns; column += Tile)
        {
            var end = Math.Min(columns, column + Tile);
            var token = 0;
            for (; token + 4 <= tokens; token += 4)
            {
                float* to = target + (token * stride), from = source + token;
                var c = column;
                for (; c + 4 <= end; c += 4)
                {
                    var at = from + ((nint)c * lanes);
                    Square(at, at + lanes, at + (2 * lanes), at + (3 * lanes), to + c, stride);
                }

                for (; c < end; c++)
                {
                    for (var t = 0; t < 4; t++) to[(t * stride) + c] = from[((nint)c * lanes) + t];
                }
            }

            for (; token < tokens; token++)
            {
                var row = target + (token * stride);
                for (var c = column; c < end; c++) row[c] = source[((nint)c * lanes) + token];
            }
        }
    }

    // target[c, t] = rows[t][c] for up to a tile of rows, with rows of the target `stride` floats apart.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ToLanes(float** rows, int count, int columns, float* target, nint stride)
    {
        var token = 0;
        for (; token + 4 <= count; token += 4)
        {
            float* r0 = rows[token], r1 = rows[token + 1], r2 = rows[token + 2], r3 = rows[token + 3], to = target + token;
            var c = 0;
            for (; c + 4 <= columns; c += 4) Square(r0 + c, r1 + c, r2 + c, r3 + c, to + (c * stride), stride);
            for (; c < columns; c++)
            {
                var row = to + (c * stride);
                (row[0], row[1], row[2], row[3]) = (r0[c], r1[c], r2[c], r3[c]);
            }
        }

        for (; token < count; token++)
        {
            for (var c = 0; c < columns; c++) target[(c * stride) + token] = rows[token][c];
        }
    }

    // Four by four values.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Square(float* s0, float* s1, float* s2, float* s3, float* target, nint stride)
    {
        Vector128<float> a = Vector128.Load(s0), b = Vector128.Load(s1), c = Vector128.Load(s2), d = Vector128.Load(s3);
        Vector128<float> low0 = Simd128.ZipLow(a, b), low1 = Simd128.ZipLow(c, d), high0 = Simd128.ZipHigh(a, b), high1 = Simd128.ZipHigh(c, d);
        Simd128.LowerHalves(low0, low1).Store(target);
        Simd128.UpperHalves(low0, low1).Store(target + stride);
        Simd128.LowerHalves(high0, high1).Store(target + (2 * stride));
        Simd128.UpperHalves(high0, high1).Store(target + (3 * stride));
    }

    // A tile of tokens: their lanes fill whole lines of the cache, which no other thread writes.
    private struct GatherBody : IParallelBody
    {
        public float* Vectors, Target, Rows;
        public int* Tokens;
        public int Count, Columns, Lanes;

        public readonly void Run(int tile)
        {
            var first = tile * Tile;
            var lanes = Math.Min(Tile, Lanes - first);
            var count = Math.Clamp(Count - first, 0, Tile);
            var sources = stackalloc float*[Tile];
            for (var i = 0; i < count; i++)
            {
                sources[i] = Vectors + ((nint)(Tokens is null ? first + i : Tokens[first + i]) * Columns);
                if (Rows is not null) new ReadOnlySpan<float>(sources[i], Columns).CopyTo(new Span<float>(Rows + ((nint)(first + i) * Columns), Columns));
            }

            if (Target is null) return;
            ToLanes(sources, count, Columns, Target + first, Lanes);
            for (var c = 0; c < Columns && count < lanes; c++) new Span<float>(Target + ((nint)c * Lanes) + first + count, lanes - count).Clear();
        }
    }

    private struct ScatterBody : IParallelBody
    {
        public float* Rows, Targets;
        public int* Tokens;
        public int Count, Columns;

        public readonly void Run(int tile)
        {
            for (var i = tile * Tile; i < Math.Min(Count, (tile + 1) * Tile); i++)
                Vectors.Add(Targets + ((nint)Tokens[i] * Columns), Rows + ((nint)i * Columns), Columns);
        }
    }

    private struct FromLanesBody : IParallelBody
    {
        public float* Source, Target;
        public nint Stride;
        public int Lanes, Tokens, Columns;

        public readonly void Run(int tile)
        {
            var first = tile * ColumnsPerTile;
            FromLanes(Source + ((nint)first * Lanes), Lanes, Tokens, Math.Min(ColumnsPerTile, Columns - first), Target + first, Stride);
        }
    }
}
