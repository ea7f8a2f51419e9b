namespace AdaptiveSoftmax.Generators.Tests;

/// <summary>A program of a page as source whose <c>Program.Run</c> returns what it writes to the console.</summary>
internal static class PageProgram
{
    /// <summary>The collection of tests that run such programs one after the other, since they share the process's console.</summary>
    public const string Console = "programs that write to the console";

    /// <param name="statements">The body of <c>Main</c>.</param>
    /// <param name="declarations">The types behind it.</param>
    /// <param name="usings">Namespaces, besides those of the console and of <see cref="TextWriter"/>.</param>
    public static string Create(string statements, string declarations, params IEnumerable<string> usings) =>
        $$"""
        #pragma warning disable CS1591
        using System;
        using System.IO;
        {{string.Join('\n', usings.Select(name => $"using {name};"))}}

        public static class Program
        {
            public static string Run()
            {
                var console = Console.Out;
                var output = new StringWriter();
                Console.SetOut(output);
                try { Main(); } finally { Console.SetOut(console); }
                return output.ToString();
            }

            private static void Main()
            {
                {{statements}}
            }
        }

        {{declarations}}
        """;
}
