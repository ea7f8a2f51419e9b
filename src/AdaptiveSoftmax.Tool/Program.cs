using System.Runtime.InteropServices;
using AdaptiveSoftmax;
using AdaptiveSoftmax.Tool;
using AdaptiveSoftmax.Tool.Terminal;

InvariantCommandLine.UseInvariantCulture();

using var stop = new CancellationTokenSource();
using var interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
return await ToolCommand.RunAsync(args, ToolConsole.ForProcess(), stop.Token);

void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.Cancel();
}
