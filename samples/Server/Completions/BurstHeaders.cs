using System.Globalization;

namespace ServerSample;

/// <summary>Headers that say how an answer was decoded, where there is a policy for bursts.</summary>
internal static class BurstHeaders
{
    /// <summary>The policy: a burst's, or <c>exact</c>.</summary>
    public const string Policy = "Adaptive-Softmax-Policy";

    /// <summary>The probability of what the policy left out, the mean over the tokens of the answer.</summary>
    public const string UnseenMass = "Adaptive-Softmax-Unseen-Mass";

    /// <summary>The tokens for which something was left out, and all of them: <c>3/40</c>.</summary>
    public const string UnseenTokens = "Adaptive-Softmax-Unseen-Tokens";

    /// <summary>Writes them.</summary>
    /// <param name="response">The response, of which nothing is sent.</param>
    /// <param name="decoding">How its tokens were decoded; null for no headers.</param>
    /// <param name="tokens">The tokens of the answer; null where there are more to come, and only the policy is known.</param>
    public static void Write(HttpResponse response, CompletionDecoding? decoding, int? tokens)
    {
        if (decoding is null) return;
        response.Headers[Policy] = decoding.Policy;
        if (tokens is null) return;
        response.Headers[UnseenMass] = decoding.UnseenMass.ToString("G6", CultureInfo.InvariantCulture);
        response.Headers[UnseenTokens] = string.Create(CultureInfo.InvariantCulture, $"{decoding.UnseenTokens}/{tokens}");
    }
}
