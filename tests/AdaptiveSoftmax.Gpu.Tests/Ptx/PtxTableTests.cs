using System.Reflection;

namespace AdaptiveSoftmax.Gpu.Tests.Ptx;

public sealed class PtxTableTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("ptx-table-");

    private string Kept => Path.Combine(_folder.FullName, "ptx.md");

    [Fact]
    public void Rows_AreSortedAndHoldEachNumberUnderItsHead()
    {
        var table = PtxTable.Write([Report("b", "Y", 41), Report("a", "Z", 42), Report("a", "X", 43)], "sm_90", "11.8.89").Split('\n');
        var head = Array.FindIndex(table, line => line.StartsWith("| layout", StringComparison.Ordinal));
        Assert.Equal(
            [
                "| layout | kernel | group | registers | shared | stack | spill stores | spill loads | instructions | 16-byte reads | product's loop |",
                "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
                "| a | X | 256 | 43 | 1 | 2 | 3 | 4 | 50 | 13 | 5 of 8 |",
                "| a | Z | 256 | 42 | 1 | 2 | 3 | 4 | 50 | 13 | 5 of 8 |",
                "| b | Y | 256 | 41 | 1 | 2 | 3 | 4 | 50 | 13 | 5 of 8 |",
                "",
            ],
            table[head..]);
    }

    [Fact]
    public void AcceptedTable_IsEqualFromThenOn()
    {
        var table = PtxTable.Write([Report("a", "X", 43)], "sm_90", "11.8.89");
        Assert.Null(PtxTable.KeptVersion(Kept));
        Assert.NotNull(PtxTable.Compare(Kept, table, accept: false));
        Assert.Null(PtxTable.Compare(Kept, table, accept: true));
        Assert.Null(PtxTable.Compare(Kept, table, accept: false));
        Assert.Equal("11.8.89", PtxTable.KeptVersion(Kept));
    }

    [Fact]
    public void ChangedKernel_ShowsItsLinesOnly()
    {
        PtxTable.Compare(Kept, PtxTable.Write([Report("a", "X", 43), Report("a", "Y", 40)], "sm_90", "11.8.89"), accept: true);
        var now = PtxTable.Write([Report("a", "X", 44), Report("a", "Y", 40), Report("a", "Z", 1)], "sm_90", "11.8.89");
        var difference = PtxTable.Compare(Kept, now, accept: false)!.Split('\n');
        Assert.Equal(
            ["- | a | X | 256 | 43 | 1 | 2 | 3 | 4 | 50 | 13 | 5 of 8 |", "+ | a | X | 256 | 44 | 1 | 2 | 3 | 4 | 50 | 13 | 5 of 8 |", "+ | a | Z | 256 | 1 | 1 | 2 | 3 | 4 | 50 | 13 | 5 of 8 |"],
            difference[1..^1]);
        Assert.Contains("ACCEPT_SNAPSHOTS=1", difference[^1], StringComparison.Ordinal);
        Assert.NotEqual(now, File.ReadAllText(Kept));
    }

    public void Dispose() => _folder.Delete(recursive: true);

    private static KernelReport Report(string layout, string name, int registers) => new(
        new KernelCase(layout, name, (MethodInfo)MethodBase.GetCurrentMethod()!, 256, 64, WideReads: 1),
        new AssembledKernel(registers, 1, 2, 3, 4), new PtxText(50, 6, 7, 13), new MachineCode(8, 5));
}
