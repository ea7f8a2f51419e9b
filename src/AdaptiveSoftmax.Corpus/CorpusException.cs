namespace AdaptiveSoftmax.Corpus;

/// <summary>A corpus that cannot be used as it is: the message says which file, what is wrong and how to mend it.</summary>
public sealed class CorpusException : Exception
{
    /// <summary>Creates the exception.</summary>
    public CorpusException()
    {
    }

    /// <summary>Creates the exception with a message.</summary>
    /// <param name="message">Which file, what is wrong and how to mend it.</param>
    public CorpusException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the exception with a message and its cause.</summary>
    /// <param name="message">Which file, what is wrong and how to mend it.</param>
    /// <param name="innerException">The cause.</param>
    public CorpusException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
