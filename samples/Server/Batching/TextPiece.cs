using AdaptiveSoftmax;

namespace ServerSample;

/// <summary>Why a continuation ended.</summary>
internal enum FinishReason
{
    /// <summary>The model ended the document, or a stop string was found.</summary>
    Stop,

    /// <summary>It has as many tokens as were asked for.</summary>
    Length,
}

/// <summary>A token in a text, with its log-prob.</summary>
/// <param name="Token">The token id.</param>
/// <param name="LogProb">The model's own log-prob; null of a prompt's first token.</param>
/// <param name="Top">The most probable tokens in its place, best first.</param>
/// <param name="Offset">Where in the choice's text it begins, in characters (Unicode code points).</param>
internal sealed record TokenReport(int Token, float? LogProb, IReadOnlyList<TokenLogProb> Top, int Offset);

/// <summary>The next part of a continuation.</summary>
/// <param name="Choice">Which continuation of the request.</param>
/// <param name="Text">The text; empty only with the last piece.</param>
/// <param name="Tokens">The tokens that begin in this text, where log-probs are wanted.</param>
/// <param name="Finish">Why the continuation ends here; null where it goes on.</param>
internal readonly record struct TextPiece(int Choice, string Text, IReadOnlyList<TokenReport> Tokens, FinishReason? Finish);
