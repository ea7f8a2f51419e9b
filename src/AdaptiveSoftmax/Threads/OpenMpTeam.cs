using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace AdaptiveSoftmax;

/// <summary>
/// Runs the tiles of a loop on the threads of an OpenMP runtime that is in the process already. A thread of such a runtime
/// waits for its next loop by spinning for milliseconds; threads of our own beside it would share the processors with it.
/// A team is the address of <c>GOMP_parallel(void (*)(void*), void*, unsigned, unsigned)</c>, which compilers call for a
/// parallel region: every caller has a team of its own, and a loop inside a loop runs on the thread that starts it.
/// </summary>
internal static unsafe class OpenMpTeam
{
    /// <summary>Runs each tile once and returns when all are done.</summary>
    /// <param name="team">The address.</param>
    /// <param name="threads">The threads, the caller's included.</param>
    /// <param name="body">What <paramref name="runTile"/> takes.</param>
    /// <param name="tiles">The number of tiles.</param>
    /// <param name="runTile">Runs a tile.</param>
    public static void Run(nint team, int threads, void* body, int tiles, delegate*<void*, int, void> runTile)
    {
        var loop = new Loop { Body = body, RunTile = runTile, Tiles = tiles };
        ((delegate* unmanaged[Cdecl]<delegate* unmanaged[Cdecl]<void*, void>, void*, uint, uint, void>)team)(&RunTiles, &loop, (uint)threads, 0);
        if (loop.Failure == 0) return;
        var handle = GCHandle.FromIntPtr(loop.Failure);
        var failure = (Exception)handle.Target!;
        handle.Free();
        throw new AggregateException(failure);
    }

    // An exception cannot pass through the runtime's frames and would end the process: the caller throws it again.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void RunTiles(void* data)
    {
        var loop = (Loop*)data;
        try
        {
            for (var tile = Interlocked.Increment(ref loop->NextTile) - 1; tile < loop->Tiles; tile = Interlocked.Increment(ref loop->NextTile) - 1)
                loop->RunTile(loop->Body, tile);
        }
        catch (Exception failure)
        {
            var handle = GCHandle.ToIntPtr(GCHandle.Alloc(failure));
            if (Interlocked.CompareExchange(ref loop->Failure, handle, 0) != 0) GCHandle.FromIntPtr(handle).Free();
            Volatile.Write(ref loop->NextTile, loop->Tiles);
        }
    }

    // On the caller's stack, where it stays until the team is done.
    private struct Loop
    {
        public void* Body;
        public delegate*<void*, int, void> RunTile;
        public int Tiles, NextTile;
        public nint Failure;
    }
}
