using System.Numerics;

namespace AdaptiveSoftmax;

/// <summary>The gradient of the cross-entropy from a teacher's softmax, by the logits: softmax less the teacher's.</summary>
internal static unsafe class DistillationGradient
{
    private const int RowsPerTile = 128;

    /// <summary>Turns logits into their gradient.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="scratch">Lends memory.</param>
    /// <param name="block">The logits, [rows, lanes], and their log-sum-exp.</param>
    /// <param name="teacher">The teacher's scores, [rows, lanes], of any scale.</param>
    /// <param name="count">The lanes that are states; the others get zeros.</param>
    /// <param name="batch">What the gradient is divided by.</param>
    public static void Write(WorkerPool pool, Scratch scratch, in LogitBlock block, float* teacher, int count, int batch)
    {
        var (rows, lanes) = (block.Rows, block.Lanes);
        var tiles = (rows + RowsPerTile - 1) / RowsPerTile;
        var body = new Body
        {
            Logits = block.Logits,
            LogSumExp = block.LogSumExp,
            Teacher = teacher,
            Maximum = scratch.Floats((long)tiles * lanes),
            Sum = scratch.Floats((long)tiles * lanes),
            TeacherLogSumExp = scratch.Floats(lanes),
            Rows = rows,
            Lanes = lanes,
            Count = count,
            Scale = 1f / batch,
        };
        pool.Run(ref body, tiles);
        LinearSoftmax<MatrixShape>.CombineLogSumExp(pool, body.Maximum, body.Sum, tiles, lanes, body.TeacherLogSumExp);
        body.IsGradient = true;
        pool.Run(ref body, tiles);
    }

    private struct Body : IParallelBody
    {
        public float* Logits, LogSumExp, Teacher, TeacherLogSumExp, Maximum, Sum;
        public int Rows, Lanes, Count;
        public float Scale;
        public bool IsGradient;

        public readonly void Run(int tile)
        {
            var end = Math.Min(Rows, (tile + 1) * RowsPerTile);
            if (IsGradient) WriteGradient(tile * RowsPerTile, end);
            else Summarise(tile, tile * RowsPerTile, end);
        }

        private readonly void Summarise(int tile, int first, int end)
        {
            float* maximum = Maximum + ((nint)tile * Lanes), sum = Sum + ((nint)tile * Lanes);
            for (var lane = 0; lane < Lanes; lane += Vector<float>.Count)
            {
                var most = new Vector<float>(float.MinValue);
                for (var row = first; row < end; row++) most = Vector.Max(most, Vector.Load(Teacher + ((nint)row * Lanes) + lane));
                Vector<float> total = default;
                for (var row = first; row < end; row++) total += Vector.Exp(Vector.Load(Teacher + ((nint)row * Lanes) + lane) - most);
                most.Store(maximum + lane);
                total.Store(sum + lane);
            }
        }

        private readonly void WriteGradient(int first, int end)
        {
            for (var row = first; row < end; row++)
            {
                float* logits = Logits + ((nint)row * Lanes), teacher = Teacher + ((nint)row * Lanes);
                for (var lane = 0; lane < Lanes; lane += Vector<float>.Count)
                {
                    var own = Vector.Exp(Vector.Load(logits + lane) - Vector.Load(LogSumExp + lane));
                    var theirs = Vector.Exp(Vector.Load(teacher + lane) - Vector.Load(TeacherLogSumExp + lane));
                    ((own - theirs) * Scale).Store(logits + lane);
                }

                for (var lane = Count; lane < Lanes; lane++) logits[lane] = 0;
            }
        }
    }
}
