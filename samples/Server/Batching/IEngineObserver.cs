using AdaptiveSoftmax;

namespace ServerSample;

/// <summary>Who wants to know what the engine does. Called by the thread that steps, so it must be quick.</summary>
internal interface IEngineObserver
{
    /// <summary>A step made tokens.</summary>
    /// <param name="duration">The time of body and softmax.</param>
    /// <param name="tokens">The tokens, one a row.</param>
    /// <param name="isBurst">Whether they were made under a burst's policy.</param>
    void Stepped(TimeSpan duration, ReadOnlySpan<DecodedToken> tokens, bool isBurst);

    /// <summary>A burst began or ended.</summary>
    void BurstChanged(bool isBurst);

    /// <summary>A request has its first token.</summary>
    /// <param name="elapsed">The time since it was accepted.</param>
    void FirstToken(TimeSpan elapsed);

    /// <summary>A step failed, and all active requests with it.</summary>
    void StepFailed(Exception exception);
}
