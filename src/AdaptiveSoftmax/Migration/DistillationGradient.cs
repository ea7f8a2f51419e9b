using System.Numerics;

namespace AdaptiveSoftmax;

/// <summary>
/// The gradient of the cross-entropy from a mixture of a teacher's softmax and the true targets, by the logits: softmax less the
/// mixture.
/// </summary>
internal static unsafe class DistillationGradient
{
    private const int RowsPerTile = 128;

    /// <summary>Turns logits into their gradient.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="scratch">Lends memory.</param>
    /// <param name="block">The logits, [rows, lanes], and their log-sum-exp.</param>
    /// <param name="teacher">The teacher's scores, [rows, lanes], of any scale.</param>
    /// <param name="targets">The row of each lane's true target, [count]; −1 for one that is not to be learnt.</param>
    /// <param name="targetShare">The share of the true target where there is one.</param>
    /// <param name="count">The lanes that are states; the others get zeros.</param>
    /// <param name="batch">What the gradient is divided by.</param>
    public static void Write(WorkerPool pool, Scratch scratch, in LogitBlock block, float* teacher, ReadOnlySpan<int> targets, float targetShare, int count, int batch)
    {
        var (rows, lanes) = (block.Rows, block.Lanes);
        var tiles = (rows + RowsPerTile - 1) / RowsPerTile;
        var teacherScales = scratch.Floats(lanes);
        for (var lane = 0; lane < lanes; lane++) teacherScales[lane] = (lane < count && targets[lane] >= 0 ? 1 - targetShare : 1) / batch;
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
            TeacherScales = teacherScales,
        };
        pool.Run(ref body, tiles);
        LinearSoftmax<MatrixShape>.CombineLogSumExp(pool, body.Maximum, body.Sum, tiles, lanes, body.TeacherLogSumExp);
        body.IsGradient = true;
        pool.Run(ref body, tiles);
        for (var lane = 0; lane < count; lane++)
        {
            if (targets[lane] >= 0) block.Logits[((nint)targets[lane] * lanes) + lane] -= targetShare / batch;
        }
    }

    private struct Body : IParallelBody
    {
        public float* Logits, LogSumExp, Teacher, TeacherLogSumExp, TeacherScales, Maximum, Sum;
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
                    ((own * Scale) - (theirs * Vector.Load(TeacherScales + lane))).Store(logits + lane);
                }

                for (var lane = Count; lane < Lanes; lane++) logits[lane] = 0;
            }
        }
    }
}
