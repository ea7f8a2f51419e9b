using System.Numerics;

namespace AdaptiveSoftmax;

/// <summary>
/// One optimizer's formula for one vector of values. Lanes are independent; without fused multiply-adds a value's new bits
/// depend neither on the width of the vector nor on how the work is cut into blocks.
/// </summary>
public interface IUpdateRule
{
    /// <summary>How many state buffers the rule uses: 0, 1 or 2.</summary>
    static abstract int StateCount { get; }

    /// <summary>Moves values and state by one step.</summary>
    /// <param name="value">The values.</param>
    /// <param name="gradient">Their gradient.</param>
    /// <param name="first">The first state buffer; unused without one.</param>
    /// <param name="second">The second state buffer; unused without one.</param>
    void Update(ref Vector<float> value, Vector<float> gradient, ref Vector<float> first, ref Vector<float> second);
}
