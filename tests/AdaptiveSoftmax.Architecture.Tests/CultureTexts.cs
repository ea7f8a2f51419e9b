using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace AdaptiveSoftmax.Architecture.Tests;

/// <summary>Where a text takes on the culture of the machine: a number with a fraction that is written without a culture.</summary>
internal static class CultureTexts
{
    /// <summary>A line for each place: file, line and expression.</summary>
    /// <param name="sources">The files: path, text.</param>
    public static IReadOnlyList<string> Find(IReadOnlyDictionary<string, string> sources)
    {
        var compilation = SourceUses.Compile(sources);
        var found = new List<string>();
        foreach (var tree in compilation.SyntaxTrees.Where(tree => tree.FilePath.Length > 0))
        {
            var model = compilation.GetSemanticModel(tree);
            foreach (var node in tree.GetRoot().DescendantNodes())
            {
                if (FindNumber(node, model) is { } number)
                    found.Add($"{tree.FilePath}({number.GetLocation().GetLineSpan().StartLinePosition.Line + 1}): {number}");
            }
        }

        return found;
    }

    private static ExpressionSyntax? FindNumber(SyntaxNode node, SemanticModel model)
    {
        switch (node)
        {
            case InterpolationSyntax hole when HasFraction(hole.Expression, model) && !IsFormattedLater(hole, model) && !NamesACulture(hole):
                return hole.Expression;
            case InvocationExpressionSyntax { ArgumentList.Arguments.Count: 0, Expression: MemberAccessExpressionSyntax { Name.Identifier.ValueText: "ToString" } call } when HasFraction(call.Expression, model):
                return call.Expression;
            case BinaryExpressionSyntax sum when sum.IsKind(SyntaxKind.AddExpression) && model.GetTypeInfo(sum).Type?.SpecialType == SpecialType.System_String:
                return new[] { sum.Left, sum.Right }.FirstOrDefault(side => HasFraction(side, model));
            case BaseObjectCreationExpressionSyntax { ArgumentList.Arguments: [_, var value, _] } creation when model.GetTypeInfo(creation).Type?.Name == nameof(ArgumentOutOfRangeException) && HasFraction(value.Expression, model):
                // The exception writes the value behind the message.
                return value.Expression;
            case InvocationExpressionSyntax { Expression: MemberAccessExpressionSyntax { Expression: var type, Name.Identifier.ValueText: var name }, ArgumentList.Arguments: [var value, ..] } when name.StartsWith("ThrowIf", StringComparison.Ordinal) && type.ToString() == nameof(ArgumentOutOfRangeException) && HasFraction(value.Expression, model):
                return value.Expression;
            default:
                return null;
        }
    }

    private static bool HasFraction(ExpressionSyntax expression, SemanticModel model)
    {
        var type = model.GetTypeInfo(expression).Type;
        if (type is INamedTypeSymbol { OriginalDefinition.SpecialType: SpecialType.System_Nullable_T } nullable) type = nullable.TypeArguments[0];
        return type?.SpecialType is SpecialType.System_Single or SpecialType.System_Double or SpecialType.System_Decimal || type?.ToString() == "System.Half";
    }

    // A FormattableString leaves the culture to whoever takes it.
    private static bool IsFormattedLater(InterpolationSyntax hole, SemanticModel model) =>
        model.GetTypeInfo(hole.Parent!).ConvertedType?.Name == nameof(FormattableString);

    // string.Create(CultureInfo.InvariantCulture, $"…"), FormattableString.Invariant($"…"), writer.Append(CultureInfo.InvariantCulture, $"…").
    private static bool NamesACulture(InterpolationSyntax hole) =>
        hole.Ancestors().OfType<InvocationExpressionSyntax>().Any(call => call.ToString().Contains("Invariant", StringComparison.Ordinal) &&
            (call.Expression.ToString().EndsWith("Invariant", StringComparison.Ordinal) || call.ArgumentList.Arguments.Any(argument => argument.ToString().EndsWith("InvariantCulture", StringComparison.Ordinal))));
}
