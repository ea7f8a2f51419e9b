using System.Globalization;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace AdaptiveSoftmax.Architecture.Tests;

/// <summary>
/// Where a text takes on the culture of the machine: a number that has a fraction or may be negative, and is written without
/// a culture. A minus sign is U+2212 in Swedish.
/// </summary>
internal static class CultureTexts
{
    /// <summary>A line for each place: file, line and expression.</summary>
    /// <param name="sources">The files: path, text.</param>
    /// <param name="others">Files of other projects, whose types those of the sources use.</param>
    public static IReadOnlyList<string> Find(IReadOnlyDictionary<string, string> sources, IReadOnlyDictionary<string, string>? others = null)
    {
        var all = new Dictionary<string, string>(sources);
        foreach (var (file, text) in others ?? new Dictionary<string, string>()) all.TryAdd(file, text);
        var compilation = SourceUses.Compile(all);
        var found = new List<string>();
        foreach (var tree in compilation.SyntaxTrees.Where(tree => sources.ContainsKey(tree.FilePath)))
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
            case InterpolationSyntax hole when (HasFraction(hole.Expression, model) || MayBeNegative(hole, model)) && !IsFormattedLater(hole, model) && !NamesACulture(hole):
                return hole.Expression;
            case InvocationExpressionSyntax { ArgumentList.Arguments.Count: 0, Expression: MemberAccessExpressionSyntax { Name.Identifier.ValueText: "ToString" } call } when HasFraction(call.Expression, model) || MayBeNegative(call.Expression, model):
                return call.Expression;
            case BinaryExpressionSyntax sum when sum.IsKind(SyntaxKind.AddExpression) && model.GetTypeInfo(sum).Type?.SpecialType == SpecialType.System_String:
                return new[] { sum.Left, sum.Right }.FirstOrDefault(side => HasFraction(side, model) || MayBeNegative(side, model));
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

    // Whole numbers of a signed type but those that .NET never makes negative, and but in digits of other bases.
    private static bool MayBeNegative(InterpolationSyntax hole, SemanticModel model) =>
        hole.FormatClause?.FormatStringToken.ValueText is not ['x' or 'X' or 'b' or 'B', ..] && MayBeNegative(hole.Expression, model);

    private static bool MayBeNegative(ExpressionSyntax expression, SemanticModel model)
    {
        switch (expression)
        {
            case ParenthesizedExpressionSyntax inner: return MayBeNegative(inner.Expression, model);
            case ConditionalExpressionSyntax choice: return MayBeNegative(choice.WhenTrue, model) || MayBeNegative(choice.WhenFalse, model);
            case MemberAccessExpressionSyntax { Name.Identifier.ValueText: "Count" or "Length" }: return false;
            case InvocationExpressionSyntax { Expression: MemberAccessExpressionSyntax { Name.Identifier.ValueText: "Count" } }: return false;
        }

        var type = model.GetTypeInfo(expression).Type;
        if (type is INamedTypeSymbol { OriginalDefinition.SpecialType: SpecialType.System_Nullable_T } nullable) type = nullable.TypeArguments[0];
        var isSigned = type?.SpecialType is SpecialType.System_SByte or SpecialType.System_Int16 or SpecialType.System_Int32 or SpecialType.System_Int64 or SpecialType.System_IntPtr || type?.ToString() == "System.Int128";
        return isSigned && !(model.GetConstantValue(expression) is { HasValue: true, Value: IConvertible constant } && constant.ToInt64(CultureInfo.InvariantCulture) >= 0);
    }

    // A FormattableString leaves the culture to whoever takes it.
    private static bool IsFormattedLater(InterpolationSyntax hole, SemanticModel model) =>
        model.GetTypeInfo(hole.Parent!).ConvertedType?.Name == nameof(FormattableString);

    // string.Create(CultureInfo.InvariantCulture, $"…"), FormattableString.Invariant($"…"), writer.Append(CultureInfo.InvariantCulture, $"…").
    // It is said of a text, and not of a second one in a hole of it.
    private static bool NamesACulture(InterpolationSyntax hole) =>
        hole.Parent!.Parent is ArgumentSyntax { Parent: ArgumentListSyntax { Parent: InvocationExpressionSyntax call } arguments } &&
        (call.Expression.ToString().EndsWith("Invariant", StringComparison.Ordinal) || arguments.Arguments.Any(argument => argument.ToString().EndsWith("InvariantCulture", StringComparison.Ordinal)));
}
