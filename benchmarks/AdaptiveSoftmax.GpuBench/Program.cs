using AdaptiveSoftmax.GpuBench;

return CommandLine.Run(args);
