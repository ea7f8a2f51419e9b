using System.Text.RegularExpressions;

namespace AdaptiveSoftmax.Gpu.Tests.Ptx;

/// <summary>
/// The loop in which a kernel multiplies, as the device runs it. What is not a product there bounds the share of the
/// device's arithmetic that the kernel can reach, since each instruction takes a turn.
/// </summary>
/// <param name="Instructions">The loop's instructions.</param>
/// <param name="Products">Those that multiply and add, one by one or a matrix at a time.</param>
internal sealed partial record MachineCode(int Instructions, int Products)
{
    /// <summary>The loop's share of products.</summary>
    public double Share => (double)Products / Instructions;

    /// <summary>Finds the innermost loop with the most products.</summary>
    /// <param name="text">What <c>nvdisasm -c</c> writes.</param>
    /// <returns>The loop, or null where no loop multiplies.</returns>
    public static MachineCode? Read(string text)
    {
        var isProduct = new List<bool>();
        var labels = new Dictionary<string, int>(StringComparer.Ordinal);
        var branches = new List<(int At, string Label)>();
        foreach (var line in text.Split('\n'))
        {
            if (Label.Match(line) is { Success: true } label) labels[label.Groups[1].Value] = isProduct.Count;
            if (!Instruction.IsMatch(line)) continue;
            if (Branch.Match(line) is { Success: true } branch) branches.Add((isProduct.Count, branch.Groups[1].Value));
            isProduct.Add(Product.IsMatch(line));
        }

        var loops = branches.Where(branch => labels.TryGetValue(branch.Label, out var start) && start <= branch.At)
            .Select(branch => (Start: labels[branch.Label], End: branch.At + 1)).ToArray();
        return loops.Where(loop => !loops.Any(other => other != loop && other.Start >= loop.Start && other.End <= loop.End))
            .Select(loop => new MachineCode(loop.End - loop.Start, isProduct[loop.Start..loop.End].Count(product => product)))
            .Where(loop => loop.Products > 0).MaxBy(loop => loop.Products);
    }

    [GeneratedRegex(@"^\s*(\.L_\w+):")]
    private static partial Regex Label { get; }

    // /*0780*/ LEA.HI.X R13, R13, R11, R12, 0xa, P1 ;
    [GeneratedRegex(@"^\s+/\*[0-9a-f]{4,}\*/\s+\S.*;")]
    private static partial Regex Instruction { get; }

    [GeneratedRegex(@"\bBRA(?:\.\w+)*\s.*`\((\.L_\w+)\)")]
    private static partial Regex Branch { get; }

    [GeneratedRegex(@"\*/\s+(?:@!?U?P\w+\s+)?(?:FFMA|HMMA)\b")]
    private static partial Regex Product { get; }
}
