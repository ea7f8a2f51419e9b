namespace AdaptiveSoftmax.Distributed;

/// <summary>A tensor of a softmax, as files know it, and what this rank has of it.</summary>
/// <param name="Name">Its name in a state dict.</param>
/// <param name="Rows">All of its rows.</param>
/// <param name="Columns">Its columns.</param>
/// <param name="IsVector">Whether it is a vector.</param>
/// <param name="Cut">How its rows are dealt out; null where every rank has all.</param>
/// <param name="Own">The blocks of rows that this rank has, ascending.</param>
internal sealed record CutTensor(string Name, int Rows, int Columns, bool IsVector, RowCut? Cut, IReadOnlyList<Parameter> Own)
{
    /// <summary>The first row of one of the own blocks.</summary>
    public int StartOf(int block, int rank) => Cut is null ? 0 : Cut.RowsOf(Cut.Tree.LeavesOf(rank).Start + block).Start;

    /// <summary>A tensor of zeros; a block that is not the whole has its rows in its name.</summary>
    public static CutTensor Create(string name, int rows, int columns, bool isVector, RowCut? cut, int rank)
    {
        if (cut is null) return new CutTensor(name, rows, columns, isVector, null, [New(name, rows)]);
        var (first, end) = cut.Tree.LeavesOf(rank);
        var own = new List<Parameter>();
        for (var block = first; block < end; block++)
        {
            var (start, stop) = cut.RowsOf(block);
            var parameter = New(FormattableString.Invariant($"{name}[{start}..{stop}]"), stop - start);
            parameter.Part = new TensorPart(name, rows, start);
            own.Add(parameter);
        }

        return new CutTensor(name, rows, columns, isVector, cut, own);

        Parameter New(string ownName, int ownRows) => isVector ? Parameter.CreateVector(ownName, ownRows) : new Parameter(ownName, ownRows, columns);
    }
}
