namespace AdaptiveSoftmax.Gpu.Tests.Ptx;

/// <summary>
/// The kept table of all kernels, <c>benchmarks/results/ptx.md</c>: a change of a kernel that costs registers or
/// instructions is seen in review. Another version of the assembler gives other numbers, so the table names its own.
/// </summary>
internal static class PtxTable
{
    private const string VersionHead = "Assembler: ptxas ";

    /// <summary>Where the table is kept.</summary>
    public static string DefaultPath => Repository.File("benchmarks", "results", "ptx.md");

    /// <summary>Writes the table as markdown.</summary>
    /// <param name="reports">A report a kernel, in any order.</param>
    /// <param name="target">The architecture, for example <c>sm_90</c>.</param>
    /// <param name="version">The assembler's version.</param>
    /// <param name="older">The registers on other architectures.</param>
    public static string Write(IEnumerable<KernelReport> reports, string target, string version, params IReadOnlyList<OlderTarget> older)
    {
        var rows = reports.OrderBy(report => report.Kernel.Layout, StringComparer.Ordinal)
            .ThenBy(report => report.Kernel.Name, StringComparer.Ordinal).Select(report => Row(report, older));
        return $"""
            # CUDA kernels, as assembled

            What the compiler and the assembler make of each kernel; no device is needed to tell. The tests of
            `AdaptiveSoftmax.Gpu` hold this table: with ACCEPT_SNAPSHOTS=1 in the environment they write it anew. Registers are
            those of a thread, and so are the numbers under other targets; shared memory is the static part of a group's, stack and spills are bytes of local memory,
            instructions are those of the PTX text, and 16-byte reads are loads of values and asynchronous copies from global memory.
            The product's loop is what of its machine instructions multiplies: no larger a share of the device's float32 peak
            can be reached.

            {VersionHead}{version}, for {target}

            | layout | kernel | group | registers |{string.Concat(older.Select(one => $" {one.Name} |"))} shared | stack | spill stores | spill loads | instructions | 16-byte reads | product's loop |
            |---|---|--:|--:|{string.Concat(older.Select(_ => "--:|"))}--:|--:|--:|--:|--:|--:|--:|
            {string.Join('\n', rows)}

            """.ReplaceLineEndings("\n");
    }

    /// <summary>The version of the assembler that a kept table is of, or null where there is no table.</summary>
    public static string? KeptVersion(string path) => !File.Exists(path) ? null
        : File.ReadLines(path).Where(line => line.StartsWith(VersionHead, StringComparison.Ordinal))
            .Select(line => line[VersionHead.Length..].Split(',')[0]).FirstOrDefault();

    /// <summary>Compares a table with the kept one, or keeps it.</summary>
    /// <param name="path">Where the table is kept.</param>
    /// <param name="table">The table as it is now.</param>
    /// <param name="accept">Whether to keep it.</param>
    /// <returns>The lines that differ, kept ones after a minus and new ones after a plus, or null.</returns>
    public static string? Compare(string path, string table, bool accept)
    {
        if (accept)
        {
            File.WriteAllText(path, table);
            return null;
        }

        var kept = File.Exists(path) ? File.ReadAllText(path).ReplaceLineEndings("\n") : "";
        if (kept == table) return null;
        var (before, after) = (kept.Split('\n'), table.Split('\n'));
        var lines = before.Except(after).Select(line => $"- {line}").Concat(after.Except(before).Select(line => $"+ {line}")).ToArray();
        return $"{path} is not what the kernels are now:\n"
            + (lines.Length > 0 ? string.Join('\n', lines) : "The same lines stand in another order.")
            + "\nIf that is meant, run the tests with ACCEPT_SNAPSHOTS=1 in the environment and commit the file.";
    }

    private static string Row(KernelReport report, IReadOnlyList<OlderTarget> older)
    {
        var (kernel, assembled, ptx, code) = report;
        object[] cells =
        [
            kernel.Layout, kernel.Name, kernel.GroupSize, assembled.Registers, .. older.Select(one => (object)one.Registers[kernel.ToString()]), assembled.SharedBytes, assembled.StackBytes,
            assembled.SpillStoreBytes, assembled.SpillLoadBytes, ptx.Instructions, ptx.WideLoads + ptx.WideCopies,
            code is null ? "" : $"{code.Products} of {code.Instructions}",
        ];
        return $"| {string.Join(" | ", cells)} |";
    }
}

/// <summary>What kernels take on an architecture before the table's own.</summary>
/// <param name="Name">Its name, for example <c>sm_80</c>.</param>
/// <param name="Registers">The registers of a thread, by what a test shows for the kernel.</param>
internal sealed record OlderTarget(string Name, IReadOnlyDictionary<string, int> Registers);
