using System.Globalization;

namespace AdaptiveSoftmax;

/// <summary>Walks nested containers to the tensors in them, named by the path to each.</summary>
internal static class StateDictNames
{
    private const int MaxTensors = 100_000;
    private const int MaxVisits = 4_000_000;
    private const string Remedy = "Save a plain state dict: torch.save(model.state_dict(), 'weights.pt').";

    /// <summary>
    /// The tensors in the order of the file. Shared containers and cycles end at a limit, not in exhaustion. What stands
    /// under a key that is neither a string nor an integer has no name, and is passed over.
    /// </summary>
    public static List<(string Name, PickleTensor Tensor)> Flatten(object? root, Func<string, string, Exception> createFault)
    {
        var found = new List<(string, PickleTensor)>();
        if (root is PickleTensor alone) found.Add(("", alone));
        var open = new Stack<(object Container, string Prefix, int Next)>();
        if (IsContainer(root)) open.Push((root!, "", 0));
        for (var visits = 0; open.Count > 0; visits++)
        {
            if (visits == MaxVisits || found.Count > MaxTensors)
                throw createFault($"It nests its containers to more than {MaxTensors} tensors or {MaxVisits} values.", Remedy);
            var (container, prefix, next) = open.Pop();
            if (next == GetCount(container)) continue;
            open.Push((container, prefix, next + 1));
            var (key, value) = GetItem(container, next);
            if (value is not PickleTensor && !IsContainer(value)) continue;
            if (FindName(key) is not { } own) continue;
            var name = prefix + own;
            if (name.Length > WeightsLimits.NameLength) throw createFault($"It has a name of more than {WeightsLimits.NameLength} characters.", Remedy);
            if (value is PickleTensor tensor)
            {
                found.Add((name, tensor));
                continue;
            }

            if (open.Count == Unpickler.MaxDepth)
                throw createFault($"It nests containers more than {Unpickler.MaxDepth} deep.", Remedy);
            open.Push((value!, name + ".", 0));
        }

        return found;
    }

    private static bool IsContainer(object? value) => value is PickleDict or List<object?> or object?[];

    private static string? FindName(object? key) => key switch
    {
        string text => text,
        long number => number.ToString(CultureInfo.InvariantCulture),
        _ => null,
    };

    private static int GetCount(object container) => container switch
    {
        PickleDict dict => dict.Pairs.Count,
        List<object?> list => list.Count,
        _ => ((object?[])container).Length,
    };

    private static (object? Key, object? Value) GetItem(object container, int index) => container switch
    {
        PickleDict dict => dict.Pairs[index],
        List<object?> list => ((long)index, list[index]),
        _ => ((long)index, ((object?[])container)[index]),
    };
}
