namespace AdaptiveSoftmax;

/// <summary>Which rows of a larger tensor a parameter is; files know the tensor.</summary>
/// <param name="Name">The tensor's name.</param>
/// <param name="Rows">All of its rows.</param>
/// <param name="FirstRow">The parameter's first row.</param>
internal sealed record TensorPart(string Name, int Rows, int FirstRow);
