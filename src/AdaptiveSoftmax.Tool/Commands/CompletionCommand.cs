using System.CommandLine;
using AdaptiveSoftmax.Tool.Terminal;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary><c>adaptive-softmax completion</c>: what makes a shell complete commands and options.</summary>
internal static class CompletionCommand
{
    public const string Name = "completion";

    // Each asks the tool itself, by the directive [suggest:POSITION] that System.CommandLine answers, of the line behind the tool's name.
    // Where nothing fits, the shell completes files.
    private static readonly Dictionary<string, string> s_scripts = new(StringComparer.Ordinal)
    {
        ["bash"] = """
            _adaptive_softmax() {
              local IFS=$'\n' line="${COMP_LINE:0:COMP_POINT}"
              line="${line#* }"
              COMPREPLY=($(compgen -W "$(adaptive-softmax "[suggest:${#line}]" "$line" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
            }
            complete -o default -F _adaptive_softmax adaptive-softmax
            """,
        ["zsh"] = """
            _adaptive_softmax() {
              local line="${LBUFFER#* }"
              local -a found
              found=("${(@f)$(adaptive-softmax "[suggest:${#line}]" "$line" 2>/dev/null)}")
              compadd -- ${found:#} || _files
            }
            compdef _adaptive_softmax adaptive-softmax
            """,
        ["fish"] = """
            function __adaptive_softmax
              set -l line (commandline -cp | string replace -r '^\S+\s' '')
              adaptive-softmax "[suggest:"(string length -- "$line")"]" "$line" 2>/dev/null
            end
            complete -c adaptive-softmax -a '(__adaptive_softmax)'
            """,
        ["pwsh"] = """
            Register-ArgumentCompleter -Native -CommandName adaptive-softmax -ScriptBlock {
                param($word, $ast, $position)
                $line = "$ast".PadRight($position).Substring(0, $position) -replace '^\S+\s', ''
                adaptive-softmax "[suggest:$($line.Length)]" "$line" 2>$null | Where-Object { $_ -like "$word*" } |
                    ForEach-Object { [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_) }
            }
            """,
    };

    public static IReadOnlyList<Example> Examples { get; } =
    [
        new("In bash, from now on", "completion bash >> ~/.bashrc"),
        new("In PowerShell", "completion pwsh >> $PROFILE"),
    ];

    public static Command Create(ToolConsole console)
    {
        var shell = new Argument<string>("SHELL") { Description = "The shell: bash, zsh, fish or pwsh." };
        shell.AcceptOneOf([.. s_scripts.Keys]);
        var command = new Command(Name, "Prints what makes a shell complete commands and options; append it to what the shell reads when it starts.") { shell };
        command.SetAction(parsed =>
        {
            console.Output.Profile.Out.Writer.Write(s_scripts[parsed.GetRequiredValue(shell)].ReplaceLineEndings("\n") + "\n");
            return ExitCode.Success;
        });
        return command;
    }
}
