using System.Text.RegularExpressions;

namespace AdaptiveSoftmax.Corpus;

/// <summary>Splits text into words by a pattern, and keeps special tokens whole. For one thread.</summary>
internal sealed class WordSplitter(Regex pattern, Regex? special)
{
    private readonly Regex _pattern = new UnsharedRegex(pattern);
    private readonly Regex? _special = special is null ? null : new UnsharedRegex(special);

    // The pattern sees what stands between two special tokens as a text of its own.
    private string _text = "";
    private int _start;
    private int _end;
    private int _position;
    private int _specialLength;

    /// <summary>Begins a text.</summary>
    public void Begin(string text)
    {
        _text = text;
        Continue(0);
    }

    /// <summary>Finds the next word.</summary>
    public bool TryRead(out int start, out int length, out bool isSpecial)
    {
        isSpecial = false;
        foreach (var match in _pattern.EnumerateMatches(_text.AsSpan(_start, _end - _start), _position - _start))
        {
            (start, length) = (_start + match.Index, match.Length);
            _position = start + length;
            return true;
        }

        (start, length) = (_end, _specialLength);
        isSpecial = length > 0;
        if (isSpecial) Continue(start + length);
        return isSpecial;
    }

    private void Continue(int start)
    {
        (_start, _position, _end, _specialLength) = (start, start, _text.Length, 0);
        if (_special is null) return;
        foreach (var match in _special.EnumerateMatches(_text, start))
        {
            (_end, _specialLength) = (match.Index, match.Length);
            break;
        }
    }
}
