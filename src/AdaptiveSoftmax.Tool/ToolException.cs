namespace AdaptiveSoftmax.Tool;

/// <summary>A mistake of the user's: the message says what is wrong and how to mend it.</summary>
internal sealed class ToolException(string message) : Exception(message);
