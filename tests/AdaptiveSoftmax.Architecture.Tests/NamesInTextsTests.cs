using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace AdaptiveSoftmax.Architecture.Tests;

/// <summary>A member that a page or an error message names exists, so that a user who follows the text arrives.</summary>
public sealed partial class NamesInTextsTests
{
    // What pages call their variables.
    private static readonly Dictionary<string, string> s_variables = new()
    {
        ["softmax"] = "AdaptiveSoftmaxLayer",
        ["layer"] = "AdaptiveSoftmaxLayer",
        ["certified"] = "CertifiedSoftmax",
        ["quantized"] = "QuantizedSoftmax",
        ["session"] = "DecodeSession",
        ["sequence"] = "DecodeSequence",
        ["history"] = "TokenHistory",
        ["mask"] = "TokenMask",
        ["random"] = "SampleRandom",
        ["cache"] = "DecodeCache",
        ["monitor"] = "DriftMonitor",
        ["optimizer"] = "Optimizer",
        ["parameter"] = "Parameter",
        ["file"] = "WeightsFile",
    };

    // Words of others, which no source here declares.
    private static readonly HashSet<string> s_foreign =
    [
        "PyTorch", "TorchSharp", "OpenAI", "GitHub", "NuGet", "JetBrains", "PyBridge", "AdaptiveLogSoftmaxWithLoss", "PoCL", "OpenMp", "OpenMP", "TensorFlow", "TorchScript", "ProjectedAdaptiveLogSoftmax", "ApiDocs", "DejaVu", "PowerShell",
    ];

    public static TheoryData<string> Pages() =>
    [
        .. Directory.EnumerateFiles(Path.Combine(Repository.Root, "docs"), "*.md", SearchOption.AllDirectories)
            .Append(Path.Combine(Repository.Root, "README.md"))
            .Select(file => Path.GetRelativePath(Repository.Root, file).Replace('\\', '/')).Order(StringComparer.Ordinal),
    ];

    [Theory]
    [MemberData(nameof(Pages))]
    public void MembersThatAPageNames_Exist(string page)
    {
        var missing = CodeSpan().Matches(Fence().Replace(Repository.Read(page), ""))
            .Select(match => match.Groups[1].Value)
            .Where(code => !IsKnown(code))
            .Distinct()
            .Select(code => $"`{code}`");
        Assert.True(!missing.Any(), string.Join(Environment.NewLine, missing));
    }

    [Fact]
    public void MembersThatAMessageNames_Exist()
    {
        var names = DeclaredNames.OfRepository;
        var missing = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var file in Repository.Projects.Where(project => project.StartsWith("src/", StringComparison.Ordinal)).SelectMany(Repository.SourceFiles))
        {
            // A sentence, and no name of something that is emitted or written.
            var texts = DeclaredNames.Parse(file).DescendantTokens().Where(token => token.Kind() is SyntaxKind.StringLiteralToken or SyntaxKind.InterpolatedStringTextToken or SyntaxKind.SingleLineRawStringLiteralToken or SyntaxKind.MultiLineRawStringLiteralToken)
                .Where(token => token.Parent!.FirstAncestorOrSelf<ExpressionSyntax>()!.ToString().Contains(' ', StringComparison.Ordinal));
            foreach (var text in texts)
            {
                foreach (Match word in MemberWord().Matches(text.ValueText))
                {
                    if (!names.Has(word.Value) && !s_foreign.Contains(word.Value)) missing.Add($"{file}: {word.Value}");
                }
            }
        }

        Assert.True(missing.Count == 0, string.Join(Environment.NewLine, missing));
    }

    [Theory]
    [InlineData("softmax.Sample(hidden, sequence)", false)]
    [InlineData("session.Sample(hidden, sequence)", true)]
    [InlineData("CreateNothing(tokens)", false)]
    [InlineData("DecodeOptions.Coldness", false)]
    [InlineData("new DecodeOptions { Temperature = 0 }", true)]
    [InlineData("softmax.Save(path, prefix, format)", true)]
    [InlineData("adaptive-softmax inspect", true)]
    public void AnInventedMember_IsFound(string code, bool exists) => Assert.Equal(exists, IsKnown(code));

    // An expression is looked into; what is none (a path, a command, a formula) names no member.
    private static bool IsKnown(string code)
    {
        var names = DeclaredNames.OfRepository;
        if (CSharpExpression(code) is not { } expression) return true;
        foreach (var call in expression.DescendantNodesAndSelf().OfType<InvocationExpressionSyntax>())
        {
            var count = call.ArgumentList.Arguments.Count;
            if (call.Expression is MemberAccessExpressionSyntax { Expression: IdentifierNameSyntax receiver, Name.Identifier.ValueText: var member } && TypeOf(receiver) is { } type)
            {
                if (!names.HasMember(type, member, count)) return false;
            }
            else if (call.Expression is IdentifierNameSyntax { Identifier.ValueText: var method } && char.IsUpper(method[0]) && (!names.Has(method) || (count > 0 && !names.HasMethod(method, count) && IsOurs(method))))
            {
                return false;
            }
        }

        foreach (var access in expression.DescendantNodesAndSelf().OfType<MemberAccessExpressionSyntax>())
        {
            if (access.Expression is IdentifierNameSyntax receiver && TypeOf(receiver) is { } type && !names.HasMember(type, access.Name.Identifier.ValueText, -1)) return false;
        }

        return true;
    }

    private static bool IsOurs(string method) => DeclaredNames.OfRepository.HasMethod(method, 0) || Enumerable.Range(1, 8).Any(count => DeclaredNames.OfRepository.HasMethod(method, count));

    private static string? TypeOf(IdentifierNameSyntax receiver)
    {
        var name = receiver.Identifier.ValueText;
        return s_variables.GetValueOrDefault(name) ?? (DeclaredNames.OfRepository.HasType(name) ? name : null);
    }

    private static ExpressionSyntax? CSharpExpression(string code)
    {
        var expression = SyntaxFactory.ParseExpression(code, consumeFullText: true);
        return expression.ContainsDiagnostics ? null : expression;
    }

    [GeneratedRegex("`([^`\n]+)`")]
    private static partial Regex CodeSpan();

    [GeneratedRegex("^```.*?^```", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Fence();

    [GeneratedRegex(@"(?<![A-Za-z0-9_.\-/])[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]+)+(?![A-Za-z0-9_\-/])")]
    private static partial Regex MemberWord();
}
