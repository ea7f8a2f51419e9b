using System.CommandLine;
using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>The domains of a table: what each pays, and a plan that balances them.</summary>
internal sealed class PlanDomains
{
    private readonly Option<string?> _file = new("--domains") { Description = "Counts by domain. By default what count keeps beside the table, *.domains.", HelpName = "FILE" };
    private readonly Option<bool> _balance = new("--balance") { Description = "Choose the cutoffs that are cheapest for the domain that pays most." };

    public void AddTo(Command command)
    {
        AddFileTo(command);
        command.Add(_balance);
    }

    /// <summary>Adds the file alone, for a command that plans nothing.</summary>
    public void AddFileTo(Command command) => command.Add(_file);

    public bool Balances(ParseResult parsed) => parsed.GetResult(_balance) is not null && parsed.GetValue(_balance);

    /// <summary>The file of them, which need not be there.</summary>
    public string FileOf(ParseResult parsed, string tableFile) => parsed.GetValue(_file) ?? DomainTable.FileOf(tableFile);

    /// <summary>The domains, by slot of a table; none where there is no file of them.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="tableFile">The file of the table.</param>
    /// <param name="counted">What it holds.</param>
    /// <param name="table">The table of the plan, in another order or without some tokens.</param>
    /// <param name="cancellationToken">Stops reading.</param>
    /// <exception cref="ToolException">The file cannot be read, or is not of this table.</exception>
    public (IReadOnlyList<string> Names, IReadOnlyList<long[]> Counts) Read(ParseResult parsed, string tableFile, TokenTable counted, TokenTable table, CancellationToken cancellationToken)
    {
        var path = FileOf(parsed, tableFile);
        if (parsed.GetValue(_file) is null && !File.Exists(path))
        {
            if (Balances(parsed)) throw new ToolException($"There are no domains to balance: {Excerpt.Line(path)} does not exist; count with --domain, or give --domains.");
            return ([], []);
        }

        var text = InputFile.ReadText(path, FileContentKind.DomainTable, cancellationToken);
        IReadOnlyList<DomainCounts> domains;
        try
        {
            domains = DomainTable.Read(Excerpt.Line(path), text);
        }
        catch (FormatException exception)
        {
            throw new ToolException(exception.Message);
        }

        // Another file that is named may be of other text; what lies beside the table is taken for its own.
        if (parsed.GetValue(_file) is null && !DomainTable.AddsUpTo(domains, counted))
            throw new ToolException($"{Excerpt.Line(path)} does not add up to {Excerpt.Line(tableFile)}, and is of another count; count with --domain, or delete it.");
        var slots = new Dictionary<int, int>(table.Count);
        for (var slot = 0; slot < table.Count; slot++) slots[table.GetId(slot)] = slot;
        var names = new List<string>();
        var counts = new List<long[]>();
        foreach (var domain in domains)
        {
            var own = new long[table.Count];
            for (var i = 0; i < domain.Ids.Length; i++)
            {
                // A token that was dropped from the table is nobody's any more.
                if (slots.TryGetValue(domain.Ids[i], out var slot)) own[slot] = domain.Counts[i];
            }

            if (!own.AsSpan().ContainsAnyExcept(0)) continue;
            names.Add(domain.Name);
            counts.Add(own);
        }

        return names.Count > 0 ? (names, counts) : throw new ToolException($"{Excerpt.Line(path)} counts no token of the table; give the domains of the same count.");
    }
}
