using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.TorchSharp;

/// <summary>The error of a backward pass, told by the exception of <c>backward()</c>.</summary>
/// <remarks>
/// An exception cannot pass through libtorch: it would end the process. So a failed pass returns gradients of an impossible
/// shape, libtorch refuses them, and TorchSharp throws an <see cref="ExternalException"/> that speaks of shapes. Here it gets
/// the text of what failed, and that as its inner exception, before anybody sees it.
/// </remarks>
internal static class BackwardFailure
{
    private const string Refusal = "CSharpNode returned an invalid gradient";

    [ThreadStatic] private static Exception? s_pending;

    /// <summary>Notes what failed, for the exception that this thread is about to throw.</summary>
    /// <param name="failure">What failed.</param>
    public static void Report(Exception failure)
    {
        if (s_pending is null) AppDomain.CurrentDomain.FirstChanceException += Explain;
        s_pending = failure;
    }

    private static void Explain(object? sender, FirstChanceExceptionEventArgs args)
    {
        if (s_pending is not { } failure || args.Exception is not ExternalException refusal || !refusal.Message.Contains(Refusal, StringComparison.Ordinal)) return;
        s_pending = null;
        AppDomain.CurrentDomain.FirstChanceException -= Explain;
        MessageOf(refusal) = failure.Message;
        InnerExceptionOf(refusal) = failure;
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_message")]
    private static extern ref string? MessageOf(Exception exception);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_innerException")]
    private static extern ref Exception? InnerExceptionOf(Exception exception);
}
