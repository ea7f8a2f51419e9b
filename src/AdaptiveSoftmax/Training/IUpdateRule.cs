using System.Numerics;

namespace AdaptiveSoftmax;

/// <summary>
/// One optimizer's formula for one vector of values. Lanes are independent and use no fused multiply-add, so a value's
/// new bits depend neither on the width of the vector nor on how the work is cut into blocks.
/// </summary>
internal interface IUpdateRule
{
    /// <summary>How many state buffers the rule uses: 0, 1 or 2.</summary>
    static abstract int StateCount { get; }

    /// <summary>Moves values and state by one step.</summary>
    void Update(ref Vector<float> value, Vector<float> gradient, ref Vector<float> first, ref Vector<float> second);
}
