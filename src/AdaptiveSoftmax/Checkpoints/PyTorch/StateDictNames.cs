using System.Globalization;

namespace AdaptiveSoftmax;

/// <summary>Walks nested containers to the tensors in them, named by the path to each.</summary>
internal static class StateDictNames
{
    private const int MaxNameLength = 1024;
    private const int MaxTensors = 100_000;
    private const int MaxVisits = 4_000_000;
    private const string Remedy = "Save a plain state dict: torch.save(model.state_dict(), 'weights.pt').";

    /// <summary>The tensors in the order of the file. Shared containers and cycles end at a limit, not in exhaustion.</summary>
    public static List<(string Name, PickleTensor Tensor)> Flatten(object? root, Func<string, string, Exception> createFault)
    {
        if (root is not PickleDict) throw createFault("Its object is not a dict of tensors.", Remedy);
        var found = new List<(string, PickleTensor)>();
        var open = new Stack<(object Container, string Prefix, int Next)>();
        open.Push((root, "", 0));
        for (var visits = 0; open.Count > 0; visits++)
        {
            if (visits == MaxVisits || found.Count > MaxTensors)
                throw createFault($"It nests its containers to more than {MaxTensors} tensors or {MaxVisits} values.", Remedy);
            var (container, prefix, next) = open.Pop();
            if (next == GetCount(container)) continue;
            open.Push((container, prefix, next + 1));
            var (key, value) = GetItem(container, next);
            if (value is not (PickleDict or List<object?> or object?[] or PickleTensor)) continue;
            var name = prefix + key switch
            {
                string text => text,
                long number => number.ToString(CultureInfo.InvariantCulture),
                _ => throw createFault("It has a key that is neither a string nor an integer.", Remedy),
            };
            if (name.Length > MaxNameLength) throw createFault($"It has a name of more than {MaxNameLength} characters.", Remedy);
            if (value is PickleTensor tensor)
            {
                found.Add((name, tensor));
                continue;
            }

            if (open.Count == Unpickler.MaxDepth)
                throw createFault($"It nests containers more than {Unpickler.MaxDepth} deep.", Remedy);
            open.Push((value, name + ".", 0));
        }

        return found;
    }

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
