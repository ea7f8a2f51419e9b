using System.CommandLine;
using System.CommandLine.Parsing;
using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>The options of <c>plan</c> that change the table: tokens dropped, pinned to the head, or kept where an old plan has them.</summary>
internal sealed class PlanEdits
{
    private const string Unseen = "unseen";

    private static readonly string[] s_kinds = [.. Enum.GetNames<PinGroup>().Select(name => name.ToLowerInvariant())];

    // What a plan chooses, and an old spec that is kept has chosen already.
    private static readonly string[] s_choices = ["--balance", "--clusters", "--div-value", "--projections", "--head-bias", "--head-coverage", "--least-head", "--memory"];

    private readonly Option<string[]> _pin = new("--pin") { Description = "Tokens that stand in the head whatever their counts, as the table writes them.", HelpName = "TOKEN", Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = true };
    private readonly Option<string[]> _pinAll = new("--pin-all") { Description = $"Kinds of tokens that stand in the head whatever their counts: {string.Join(", ", s_kinds)}.", HelpName = string.Join('|', s_kinds), Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = true };
    private readonly Option<string?> _drop = new("--drop") { Description = $"Leave tokens out of the new table: {Unseen} those that were never counted and are not pinned.", HelpName = Unseen };
    private readonly Option<string?> _keep = new("--keep") { Description = "An old spec, whose clusters stay for all tokens whose counts changed no more than chance makes them.", HelpName = "FILE" };
    private readonly Option<string?> _table = new("--table") { Description = "The table to write where --pin, --drop or --keep change it. By default beside the spec, as *.tokens.", HelpName = "FILE" };

    public PlanEdits()
    {
        _drop.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string>() is { } text and not Unseen) result.AddError($"--drop {text} is not known; there is --drop {Unseen}.");
        });
        _pinAll.Validators.Add(result =>
        {
            foreach (var kind in result.Tokens.Select(token => token.Value).Where(kind => !s_kinds.Contains(kind))) result.AddError($"--pin-all {kind} is none of {string.Join(", ", s_kinds)}.");
        });
    }

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _pin, _pinAll, _drop, _keep, _table }) command.Add(option);
        command.Validators.Add(result =>
        {
            if (result.GetValue(_keep) is null) return;
            foreach (var chosen in s_choices.Where(name => result.GetResult(name) is OptionResult { Implicit: false }))
                result.AddError($"--keep takes cutoffs, widths and bias from the old spec, which {chosen} cannot change; leave one of them out.");
        });
    }

    /// <summary>Whether the table changes.</summary>
    public bool AreGiven(ParseResult parsed) => HasPins(parsed) || parsed.GetValue(_drop) is not null || KeptFileOf(parsed) is not null;

    /// <summary>The old spec, where one is kept.</summary>
    public string? KeptFileOf(ParseResult parsed) => parsed.GetValue(_keep);

    /// <summary>The table without the tokens that are dropped, and with those in front that are pinned.</summary>
    /// <exception cref="ToolException">A token to pin is not in the table, or too few are left.</exception>
    public TokenTable Apply(ParseResult parsed, TokenTable table)
    {
        var pins = parsed.GetValue(_pin) ?? [];
        var drops = parsed.GetValue(_drop) is not null;
        if (!HasPins(parsed) && !drops) return table;
        if (HasPins(parsed) && KeptFileOf(parsed) is not null) throw new ToolException($"{(pins.Length > 0 ? "--pin" : "--pin-all")} moves tokens, and --keep leaves them where they are; give one of them.");
        var pinned = Enumerable.Range(0, table.PinnedCount).Concat(FindTokens(table, pins, _pin.Name))
            .Concat((parsed.GetValue(_pinAll) ?? []).SelectMany(kind => FindAll(table, kind))).Distinct().ToArray();
        var isPinned = pinned.ToHashSet();
        var order = pinned.Concat(Enumerable.Range(0, table.Count).Where(slot => !isPinned.Contains(slot) && !(drops && table.GetCount(slot) == 0))).ToArray();
        if (order.Length < 2) throw new ToolException($"Only {order.Length} tokens would be left; a softmax needs at least 2.");
        return table.Reorder(order, pinned.Length);
    }

    /// <summary>The slots of tokens as the table writes them.</summary>
    /// <param name="table">The table.</param>
    /// <param name="tokens">The tokens.</param>
    /// <param name="option">The option that names them.</param>
    /// <exception cref="ToolException">One is not in the table.</exception>
    public static IEnumerable<int> FindTokens(TokenTable table, IReadOnlyList<string> tokens, string option)
    {
        if (tokens.Count == 0) return [];
        var bySpelling = SlotsBySpelling(table);
        return tokens.Select(token => bySpelling.TryGetValue(token, out var slot)
            ? slot
            : throw new ToolException($"{option} {Excerpt.Quote(token)} is not a token of the table; write it as the table does, for example \\xe2\\x80\\xa6."));
    }

    private bool HasPins(ParseResult parsed) => parsed.GetValue(_pin) is { Length: > 0 } || parsed.GetValue(_pinAll) is { Length: > 0 };

    private static IReadOnlyList<int> FindAll(TokenTable table, string kind)
    {
        var found = PinGroups.Find(table, (PinGroup)Array.IndexOf(s_kinds, kind));
        return found.Count > 0 ? found : throw new ToolException($"--pin-all {kind} pins nothing: the table has no such token. Name tokens with --pin.");
    }

    /// <summary>A table with the tokens in front that another one pins, as far as it has them.</summary>
    public static TokenTable PinAs(TokenTable other, TokenTable table)
    {
        if (other.PinnedCount == 0) return table;
        var bySpelling = SlotsBySpelling(table);
        int[] pinned = [.. Enumerable.Range(0, other.PinnedCount)
            .Select(slot => bySpelling.TryGetValue(TokenTableWriter.Escape(other.GetToken(slot)), out var found) ? found : -1)
            .Where(slot => slot >= 0)
            .Concat(Enumerable.Range(0, table.PinnedCount)).Distinct()];
        var isPinned = pinned.ToHashSet();
        return table.Reorder([.. pinned, .. Enumerable.Range(0, table.Count).Where(slot => !isPinned.Contains(slot))], pinned.Length);
    }

    /// <summary>Of the tokens that one table pins, those that another has and does not pin, and those that it lacks.</summary>
    public static (int Unpinned, int Missing) LostPins(TokenTable other, TokenTable table)
    {
        if (other.PinnedCount == 0) return (0, 0);
        var bySpelling = SlotsBySpelling(table);
        var (unpinned, missing) = (0, 0);
        for (var slot = 0; slot < other.PinnedCount; slot++)
        {
            if (!bySpelling.TryGetValue(TokenTableWriter.Escape(other.GetToken(slot)), out var found)) missing++;
            else if (found >= table.PinnedCount) unpinned++;
        }

        return (unpinned, missing);
    }

    private static Dictionary<string, int> SlotsBySpelling(TokenTable table)
    {
        var slots = new Dictionary<string, int>(table.Count, StringComparer.Ordinal);
        for (var slot = 0; slot < table.Count; slot++) slots[TokenTableWriter.Escape(table.GetToken(slot))] = slot;
        return slots;
    }

    /// <summary>Where a changed table goes.</summary>
    /// <exception cref="ToolException">There can be no such file, or another would be lost.</exception>
    public OutputPath CheckTable(ParseResult parsed, OutputPath spec, IReadOnlyList<string?> inputs, bool isForced)
    {
        const string SpecSuffix = ".softmax.json";
        var path = parsed.GetValue(_table) ?? ((spec.Path.EndsWith(SpecSuffix, StringComparison.OrdinalIgnoreCase) ? spec.Path[..^SpecSuffix.Length] : spec.Path) + ".tokens");
        var output = OutputPath.Check(path, OutputKind.TokenTable, isForced, _table.Name);
        if (FileId.Find(path) is { } id && inputs.Any(input => input is not null && FileId.Find(input) == id))
            throw new ToolException($"The changed table would go to {Excerpt.Line(path)}, which is read; give --table another name.");
        output.RefuseOutputs(spec);
        return output;
    }
}
