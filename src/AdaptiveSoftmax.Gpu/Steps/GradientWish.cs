namespace AdaptiveSoftmax.Gpu;

/// <summary>Which gradients a step gives.</summary>
internal enum GradientWish
{
    /// <summary>None: the loss alone.</summary>
    None,

    /// <summary>Those of the parameters that learn.</summary>
    Parameters,

    /// <summary>That of the hidden vectors as well.</summary>
    HiddenToo,
}
