using AdaptiveSoftmax;
using AdaptiveSoftmax.Tool;
using AdaptiveSoftmax.Tool.Terminal;

InvariantCommandLine.UseInvariantCulture();

// Results go to the standard output, progress and errors to the error output, which need not be the terminal.
var output = ToolConsole.ForWriter(Console.Out, isTerminal: !Console.IsOutputRedirected);
var error = ToolConsole.ForWriter(Console.Error, isTerminal: !Console.IsErrorRedirected);
return await ToolCommand.RunAsync(args, new ToolConsole(output, error));
