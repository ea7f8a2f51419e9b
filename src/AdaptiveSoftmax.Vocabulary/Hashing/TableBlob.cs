namespace AdaptiveSoftmax.Vocabulary;

/// <summary>One binary table of a look-up structure, in its final little-endian form.</summary>
/// <param name="Name">The name of the look-up interface's member that returns these bytes.</param>
/// <param name="Bytes">The table's bytes; may be empty.</param>
public sealed record TableBlob(string Name, byte[] Bytes);
