using AdaptiveSoftmax;
using ServerSample;
using Spectre.Console;

InvariantCommandLine.UseInvariantCulture();

// A file or a pipe has no width of its own, and tables broken for 80 columns read badly there.
if (Console.IsOutputRedirected) AnsiConsole.Profile.Width = 160;
return await CommandLine.RunAsync(args, AnsiConsole.Console);
