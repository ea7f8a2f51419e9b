using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace AdaptiveSoftmax;

/// <summary>
/// Runs the parts of a loop on the threads of an OpenMP runtime that is in the process already. A thread of such a runtime
/// waits for its next loop by spinning for milliseconds; threads of our own beside it would share the processors with it.
/// A team is the address of <c>GOMP_parallel(void (*)(void*), void*, unsigned, unsigned)</c>, which compilers call for a
/// parallel region: every caller has a team of its own, and a loop inside a loop runs on the thread that starts it.
/// </summary>
internal static unsafe class OpenMpTeam
{
    /// <summary>Runs each part once and returns when all are done.</summary>
    /// <param name="team">The address.</param>
    /// <param name="threads">The threads, the caller's included.</param>
    /// <param name="body">What <paramref name="runPart"/> takes.</param>
    /// <param name="parts">The number of parts.</param>
    /// <param name="runPart">Runs a part.</param>
    public static void Run(nint team, int threads, void* body, int parts, delegate*<void*, int, void> runPart)
    {
        var loop = new Loop { Body = body, RunPart = runPart, Parts = parts };
        ((delegate* unmanaged[Cdecl]<delegate* unmanaged[Cdecl]<void*, void>, void*, uint, uint, void>)team)(&RunParts, &loop, (uint)threads, 0);
        if (loop.Failure == 0) return;
        var handle = GCHandle.FromIntPtr(loop.Failure);
        var failure = (Exception)handle.Target!;
        handle.Free();
        throw new AggregateException(failure);
    }

    // An exception cannot pass through the runtime's frames and would end the process: the caller throws it again.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void RunParts(void* data)
    {
        var loop = (Loop*)data;
        try
        {
            for (var part = Interlocked.Increment(ref loop->NextPart) - 1; part < loop->Parts; part = Interlocked.Increment(ref loop->NextPart) - 1)
                loop->RunPart(loop->Body, part);
        }
        catch (Exception failure)
        {
            var handle = GCHandle.ToIntPtr(GCHandle.Alloc(failure));
            if (Interlocked.CompareExchange(ref loop->Failure, handle, 0) != 0) GCHandle.FromIntPtr(handle).Free();
            Volatile.Write(ref loop->NextPart, loop->Parts);
        }
    }

    // On the caller's stack, where it stays until the team is done.
    private struct Loop
    {
        public void* Body;
        public delegate*<void*, int, void> RunPart;
        public int Parts, NextPart;
        public nint Failure;
    }
}
