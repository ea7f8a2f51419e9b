namespace AdaptiveSoftmax;

/// <summary>What to run in Python with a file that holds more than tensors.</summary>
internal static class PickleRemedy
{
    private const int MaxVisits = 100_000;
    private const int MaxDepth = 4;
    private const int MaxKeyLength = 60;

    /// <summary>Names the state dict of the file, where one can be told.</summary>
    /// <param name="root">The file's object, as far as it could be read.</param>
    public static string Find(object? root)
    {
        const string Start = "Nothing of it was run. Save only the tensors, in Python: ";
        const string Trust = ", if you trust where it came from.";
        if (root is PickleObject) return $"{Start}torch.save(model.state_dict(), 'weights.pt'), or torch.save(torch.load('model.pt', weights_only=False).state_dict(), 'weights.pt'){Trust}";
        if (FindStateDict(root) is { } path)
        {
            return path.Length > 0
                ? $"{Start}torch.save(torch.load('checkpoint.pt', weights_only=False){path}, 'weights.pt'){Trust}"
                : $"{Start}torch.save({{k: v for k, v in torch.load('checkpoint.pt', weights_only=False).items() if torch.is_tensor(v)}}, 'weights.pt'){Trust}";
        }

        return $"{Start}torch.save(model.state_dict(), 'weights.pt').";
    }

    // The dict with the most tensors; the first of them, since optimizers have as many and come later.
    private static string? FindStateDict(object? root)
    {
        string? best = null;
        var most = 0;
        var visits = 0;
        var open = new Queue<(PickleDict Dict, string Path, int Depth)>();
        if (root is PickleDict first) open.Enqueue((first, "", 0));
        while (open.TryDequeue(out var next))
        {
            var tensors = next.Dict.Pairs.Count(pair => pair is (string, PickleTensor));
            if (tensors > most) (best, most) = (next.Path, tensors);
            if (next.Depth == MaxDepth) continue;
            foreach (var (key, value) in next.Dict.Pairs)
            {
                if (++visits > MaxVisits) return best;
                if (value is PickleDict dict && key is string name && IsPlain(name)) open.Enqueue((dict, $"{next.Path}['{name}']", next.Depth + 1));
            }
        }

        return best;
    }

    // What is to be typed into Python must be what it looks like.
    private static bool IsPlain(string key) => key.Length <= MaxKeyLength && key.All(c => c is >= ' ' and <= '~' and not ('\'' or '\\'));
}
