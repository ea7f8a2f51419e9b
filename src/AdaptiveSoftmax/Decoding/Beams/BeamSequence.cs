namespace AdaptiveSoftmax;

/// <summary>A sequence that a beam search found.</summary>
/// <param name="Tokens">Its token ids, the end token included.</param>
/// <param name="LogProb">log p of all its tokens.</param>
/// <param name="Score">The log-prob under the length penalty, by which sequences are compared.</param>
/// <param name="IsEnded">Whether it ended with an end token; false where the maximum length cut it off.</param>
public sealed record BeamSequence(IReadOnlyList<int> Tokens, double LogProb, double Score, bool IsEnded);

/// <summary>Runs the model one token further for all sequences that a beam search follows.</summary>
/// <param name="parents">For each sequence, which of the last call's it continues, [sequences]; all 0 at the first call.</param>
/// <param name="tokens">The token that each was continued with, [sequences].</param>
/// <param name="hidden">Receives the hidden vector of each, [sequences, hidden].</param>
public delegate void BeamStep(ReadOnlySpan<int> parents, ReadOnlySpan<int> tokens, Span<float> hidden);
