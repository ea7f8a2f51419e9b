namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>An example in a command's help.</summary>
/// <param name="Purpose">What it is for.</param>
/// <param name="Command">The arguments behind the tool's name.</param>
internal readonly record struct Example(string Purpose, string Command);
