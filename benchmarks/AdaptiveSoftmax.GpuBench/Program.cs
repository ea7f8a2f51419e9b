using AdaptiveSoftmax;
using AdaptiveSoftmax.GpuBench;

InvariantCommandLine.UseInvariantCulture();

return await CommandLine.RunAsync(args);
