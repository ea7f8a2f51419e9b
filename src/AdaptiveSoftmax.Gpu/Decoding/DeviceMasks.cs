using System.Runtime.InteropServices;
using ILGPU;

namespace AdaptiveSoftmax.Gpu;

/// <summary>The masks of a batch on the device, each once; one that is there already and was not set anew is not copied again.</summary>
internal sealed class DeviceMasks(HostTraffic traffic, GrowingBuffer<int> buffer)
{
    private readonly List<(TokenMask Mask, int Version)> _there = [];
    private readonly List<TokenMask> _masks = [];

    /// <summary>The words of a mask.</summary>
    public int Words { get; private set; }

    /// <summary>All of them, [masks, words].</summary>
    public ArrayView<int> View => buffer.View;

    /// <summary>Forgets the masks of the batch before.</summary>
    public void Begin() => _masks.Clear();

    /// <summary>Forgets what is there: its memory is gone.</summary>
    public void Forget() => _there.Clear();

    /// <summary>A mask's number in this batch; −1 for none.</summary>
    public int Add(TokenMask? mask)
    {
        if (mask is null) return -1;
        var number = _masks.IndexOf(mask);
        if (number >= 0) return number;
        _masks.Add(mask);
        return _masks.Count - 1;
    }

    /// <summary>Copies those that are not there.</summary>
    public void Upload()
    {
        if (_masks.Count > 0) Words = 2 * _masks[0].Words.Length;
        if (_masks.Count > _there.Count || _there.Count == 0)
        {
            _there.Clear();
            buffer.Reserve(Math.Max(1, (long)_masks.Count * Words));
        }

        for (var i = 0; i < _masks.Count; i++)
        {
            if (i < _there.Count && ReferenceEquals(_there[i].Mask, _masks[i]) && _there[i].Version == _masks[i].Version) continue;
            traffic.Upload(MemoryMarshal.Cast<ulong, int>(_masks[i].Words), buffer.View.SubView((long)i * Words, Words));
            if (i < _there.Count) _there[i] = (_masks[i], _masks[i].Version);
            else _there.Add((_masks[i], _masks[i].Version));
        }
    }
}
