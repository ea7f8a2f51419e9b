namespace AdaptiveSoftmax;

/// <summary>One buffer that an optimizer keeps for each parameter, a value for each of the parameter's values.</summary>
/// <param name="Name">The name in a checkpoint, PyTorch's where there is one, for example <c>exp_avg</c>.</param>
/// <param name="InitialValue">What it holds before the first step.</param>
public readonly record struct StateBuffer(string Name, double InitialValue = 0);
