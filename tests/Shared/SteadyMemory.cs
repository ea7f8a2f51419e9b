using System.Globalization;

namespace AdaptiveSoftmax.Testing;

/// <summary>Repeats something and sees that it takes no more memory as it goes on: neither managed nor the process's own.</summary>
internal static class SteadyMemory
{
    // A leak of sixteen bytes a step shows in a million; what the system and the runtime do meanwhile is less.
    private const long MostBytes = 16L << 20;

    public static void Of(int steps, Action<int> step)
    {
        // The first tenth fills what is kept from then on.
        for (var i = 0; i < steps / 10; i++) step(i);
        var before = Look();
        for (var i = steps / 10; i < steps; i++) step(i);
        var after = Look();
        Assert.True(
            after.Managed - before.Managed <= MostBytes && after.Process - before.Process <= MostBytes,
            string.Create(CultureInfo.InvariantCulture, $"Between step {steps / 10} and step {steps} managed memory went from {before.Managed >> 10} to {after.Managed >> 10} KB, and the process from {before.Process >> 10} to {after.Process >> 10}."));
    }

    private static (long Managed, long Process) Look() => (GC.GetTotalMemory(forceFullCollection: true), Environment.WorkingSet);
}
