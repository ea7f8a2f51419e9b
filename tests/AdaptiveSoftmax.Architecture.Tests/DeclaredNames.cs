using System.Text.RegularExpressions;
using Basic.Reference.Assemblies;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace AdaptiveSoftmax.Architecture.Tests;

/// <summary>What the sources of the repository declare, by name: for texts that name it.</summary>
internal sealed partial class DeclaredNames
{
    private static readonly Lazy<DeclaredNames> s_ofRepository = new(() => new DeclaredNames());

    private readonly Dictionary<string, List<Member>> _members = [];
    private readonly Dictionary<string, HashSet<string>> _bases = [];
    private readonly HashSet<string> _names = [];

    private DeclaredNames()
    {
        foreach (var file in Repository.Projects.SelectMany(Repository.SourceFiles))
        {
            var root = Parse(file);
            foreach (var type in root.DescendantNodes().OfType<BaseTypeDeclarationSyntax>()) Add(type);
            foreach (var token in root.DescendantTokens().Where(token => token.Kind() is SyntaxKind.IdentifierToken)) _names.Add(token.ValueText);

            // What is emitted stands in the generator's templates.
            if (!file.StartsWith("generators/", StringComparison.Ordinal)) continue;
            foreach (Match word in Identifier().Matches(root.ToFullString())) _names.Add(word.Value);
        }

        var framework = CSharpCompilation.Create("Framework", [], Net100.References.All);
        foreach (var type in TypesOf(framework.GlobalNamespace))
        {
            _names.Add(type.Name);
            foreach (var member in type.MemberNames) _names.Add(member);
        }
    }

    public static DeclaredNames OfRepository => s_ofRepository.Value;

    /// <summary>A source file's syntax.</summary>
    public static SyntaxNode Parse(string file) =>
        CSharpSyntaxTree.ParseText(Repository.Read(file), CSharpParseOptions.Default.WithLanguageVersion(LanguageVersion.Preview)).GetRoot();

    /// <summary>Whether anything is called so: a type, a member, a parameter, here or in the framework.</summary>
    public bool Has(string name) => _names.Contains(name);

    /// <summary>Whether a type is declared here.</summary>
    public bool HasType(string type) => _members.ContainsKey(type);

    /// <summary>Whether a type or what it derives from has a member, and an extension counts as one.</summary>
    /// <param name="type">The type.</param>
    /// <param name="name">The member.</param>
    /// <param name="arguments">The arguments of a call; −1 where it is only named.</param>
    public bool HasMember(string type, string name, int arguments) =>
        WithBases(type).SelectMany(each => _members.GetValueOrDefault(each, [])).Concat(Extensions(type))
            .Any(member => member.Name == name && (arguments < 0 || (arguments >= member.Fewest && arguments <= member.Most)));

    /// <summary>Whether some method of this name takes so many arguments.</summary>
    public bool HasMethod(string name, int arguments) =>
        _members.Values.SelectMany(members => members).Any(member => member.Name == name && arguments >= member.Fewest && arguments <= member.Most);

    private static IEnumerable<INamedTypeSymbol> TypesOf(INamespaceSymbol space) =>
        space.GetTypeMembers().Concat(space.GetNamespaceMembers().SelectMany(TypesOf));

    private IEnumerable<string> WithBases(string type) =>
        _bases.TryGetValue(type, out var bases) ? bases.Where(each => each != type).SelectMany(WithBases).Prepend(type) : [type];

    private IEnumerable<Member> Extensions(string type)
    {
        var types = WithBases(type).ToHashSet();
        return _members.Values.SelectMany(members => members).Where(member => member.Extended is not null && types.Contains(member.Extended));
    }

    private void Add(BaseTypeDeclarationSyntax type)
    {
        var name = type.Identifier.ValueText;
        if (!_members.TryGetValue(name, out var members)) _members[name] = members = [];
        if (!_bases.TryGetValue(name, out var bases)) _bases[name] = bases = [];
        foreach (var one in type.BaseList?.Types ?? []) bases.Add(one.Type is GenericNameSyntax generic ? generic.Identifier.ValueText : one.Type.ToString());
        if (type is TypeDeclarationSyntax { ParameterList: { } primary })
        {
            members.Add(new Member(name, primary.Parameters));
            members.AddRange(primary.Parameters.Select(parameter => new Member(parameter.Identifier.ValueText)));
        }

        if (type is EnumDeclarationSyntax values) members.AddRange(values.Members.Select(value => new Member(value.Identifier.ValueText)));
        if (type is not TypeDeclarationSyntax declaration) return;
        foreach (var member in declaration.Members)
        {
            members.AddRange(member switch
            {
                MethodDeclarationSyntax method => [new Member(method.Identifier.ValueText, method.ParameterList.Parameters)],
                ConstructorDeclarationSyntax constructor => [new Member(name, constructor.ParameterList.Parameters)],
                PropertyDeclarationSyntax property => [new Member(property.Identifier.ValueText)],
                EventFieldDeclarationSyntax field => field.Declaration.Variables.Select(variable => new Member(variable.Identifier.ValueText)),
                FieldDeclarationSyntax field => field.Declaration.Variables.Select(variable => new Member(variable.Identifier.ValueText)),
                _ => [],
            });
        }
    }

    [GeneratedRegex("[A-Za-z_][A-Za-z0-9_]*")]
    private static partial Regex Identifier();

    private sealed record Member(string Name, int Fewest = 0, int Most = -1, string? Extended = null)
    {
        public Member(string name, SeparatedSyntaxList<ParameterSyntax> parameters)
            : this(
                name,
                parameters.Count(parameter => parameter.Default is null && !parameter.Modifiers.Any(SyntaxKind.ParamsKeyword)),
                parameters.Any(parameter => parameter.Modifiers.Any(SyntaxKind.ParamsKeyword)) ? int.MaxValue : parameters.Count)
        {
            if (parameters.FirstOrDefault() is not { } first || !first.Modifiers.Any(SyntaxKind.ThisKeyword)) return;
            Extended = first.Type?.ToString();
            (Fewest, Most) = (Fewest - 1, Most - 1);
        }
    }
}
