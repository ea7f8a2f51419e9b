using System.Globalization;
using System.Text.Json;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Files;

/// <summary>
/// A spec that a plan goes into: a new one, or one that is there, of which everything stays that the plan does not decide.
/// </summary>
internal sealed class PlannedSpec
{
    private static readonly string[] s_planned = [SpecMembers.HiddenSize, SpecMembers.Vocabulary, SpecMembers.Softmax, SpecMembers.Cutoffs, SpecMembers.DivValue, SpecMembers.Projections];

    private readonly string _path;
    private readonly SpecText? _old;
    private readonly EquatableArray<SpecError> _oldErrors;

    private PlannedSpec(string path, SpecText? old, EquatableArray<SpecError> oldErrors) => (_path, _old, _oldErrors) = (path, old, oldErrors);

    /// <summary>The div value of a spec that is there, where it gives a usable one.</summary>
    public double? DivValue => double.TryParse(_old?.Get(SpecMembers.DivValue), CultureInfo.InvariantCulture, out var value) ? value : null;

    /// <summary>The width of its narrowest tail as a share of the hidden size, where it gives a div value and cutoffs.</summary>
    public double? NarrowestShare => DivValue is { } divValue && _old?.Get(SpecMembers.Cutoffs) is { } cutoffs ? Math.Pow(divValue, -cutoffs.Split(',').Length) : null;

    /// <summary>Whether a spec that is there has a head bias, where it says so.</summary>
    public bool? HeadBias => bool.TryParse(_old?.Get(SpecMembers.HeadBias), out var value) ? value : null;

    /// <summary>The members of the spec that is there which a plan leaves alone.</summary>
    public IReadOnlyList<string> Kept => [.. (_old?.Names ?? []).Except(s_planned)];

    /// <summary>Looks for a spec that is there.</summary>
    /// <param name="path">The file.</param>
    /// <param name="isForced">Whether to pay no attention to it.</param>
    /// <exception cref="ToolException">It cannot be kept.</exception>
    public static PlannedSpec Open(string path, bool isForced)
    {
        if (isForced || FileContent.Find(path) != FileContentKind.Spec) return new PlannedSpec(path, null, default);
        var text = RegularFile.ReadText(path);
        var errors = SpecReader.Read(path, text).Errors;
        try
        {
            var old = new SpecText(text);
            if (old.Get(SpecMembers.Vocabulary)?.StartsWith('[') == true)
                throw new ToolException($"{Excerpt.Line(path)} holds its vocabulary itself, which would be lost; give --output another name, or --force to write over it.");
            return new PlannedSpec(path, old, errors);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // The reader throws the second for an escape that is half a character.
            var what = errors.Count > 0 ? ToolException.Of(errors).Message : Excerpt.Message(exception.Message);
            throw new ToolException($"{Excerpt.Line(path)} is there and is not well-formed, so that its members cannot be kept; mend it, or give --force to write over it.{Environment.NewLine}{what}");
        }
    }

    /// <summary>
    /// Checks that a build will take a spec with the plan in it. What a plan does not decide may be wrong as it stands.
    /// </summary>
    /// <param name="text">What <see cref="Write"/> gave.</param>
    /// <param name="table">The token table.</param>
    /// <exception cref="ToolException">A build would refuse it; the message has line and column in the spec that is there.</exception>
    public SoftmaxDefinition Check(string text, TokenTableReadResult table)
    {
        var whole = SoftmaxDefinitionReader.Combine(SpecReader.Read(_path, text), table);
        if (whole.Definition is { } definition) return definition;
        var kept = _oldErrors.Where(old => whole.Errors.Any(error => error.Kind == old.Kind && error.Message == old.Message)).ToArray();
        var what = ToolException.Of(kept.Length > 0 ? new EquatableArray<SpecError>(kept) : whole.Errors).Message;
        throw new ToolException(_old is null ? what : $"{Excerpt.Line(_path)} was left as it is, since a build refuses what would stay of it; mend it, or give --force to write a new one.{Environment.NewLine}{what}");
    }

    /// <summary>The spec's text with the plan in it.</summary>
    /// <param name="spec">What the plan and the command line decide; precisions and seed of a spec that is there stay.</param>
    /// <param name="notes">Receives what the user should know of members that had to change, a sentence each.</param>
    /// <exception cref="ToolException">A member that is to be kept does not fit the plan.</exception>
    public string Write(SoftmaxSpec spec, List<string> notes)
    {
        using var writer = new StringWriter();
        SpecWriter.Write(writer, spec);
        var text = writer.ToString();
        if (_old is null) return text;
        var planned = new SpecText(text);
        foreach (var name in planned.Names)
        {
            var value = planned.Get(name)!;
            if (!IsSame(_old.Get(name), value)) _old.Set(name, value);
        }

        if (_old.Get(SpecMembers.Softmax) is not null) _old.Remove(SpecMembers.Softmax);
        foreach (var name in new[] { SpecMembers.LogitScale, SpecMembers.LogitSoftCap })
        {
            if (_old.Get(name) is not { } value) continue;
            notes.Add($"The {name} {value} of {Excerpt.Line(_path)} goes: only the logits of a full softmax are scaled or capped.");
            _old.Remove(name);
        }

        if (!spec.HeadBias && _old.Get(SpecMembers.HeadBias) == "true") _old.Set(SpecMembers.HeadBias, "false");
        if (spec.Projections.Count > 0)
        {
            _old.Remove(SpecMembers.DivValue);
        }
        else if (_old.Get(SpecMembers.Projections) is { } projections)
        {
            notes.Add($"The projections {projections} of {Excerpt.Line(_path)} give way to the div value {planned.Get(SpecMembers.DivValue)}, by which clusters are planned.");
            _old.Remove(SpecMembers.Projections);
        }

        KeepPrecisions(spec.Cutoffs.Count, notes);
        return _old.ToString();
    }

    // A list with a precision for each tail cluster, where there is now another number of them.
    private void KeepPrecisions(int clusters, List<string> notes)
    {
        if (_old!.Get(SpecMembers.Precision) is not { } json || !json.StartsWith('{')) return;
        var precision = new SpecText(json);
        if (precision.Get(SpecMembers.Tails) is not { } list || !list.StartsWith('[')) return;
        using var document = JsonDocument.Parse(list);
        var tails = document.RootElement.EnumerateArray().Select(tail => tail.GetRawText()).ToArray();
        if (tails.Length == clusters) return;
        if (tails.Distinct().Count() != 1)
            throw new ToolException($"{Excerpt.Line(_path)} gives {tails.Length} tail clusters the precisions {list}, and the plan has {clusters}; give --clusters {tails.Length}, edit \"precision\" first, or give --force to write a spec without it.");
        notes.Add($"The plan has {clusters} tail clusters instead of {tails.Length}; all of them keep the precision {tails[0]}.");
        precision.Set(SpecMembers.Tails, $"[{string.Join(", ", Enumerable.Repeat(tails[0], clusters))}]");
        _old.Set(SpecMembers.Precision, precision.ToString());
    }

    private static bool IsSame(string? old, string value)
    {
        if (old is null) return false;
        using var left = JsonDocument.Parse(old);
        using var right = JsonDocument.Parse(value);
        return JsonElement.DeepEquals(left.RootElement, right.RootElement);
    }
}
