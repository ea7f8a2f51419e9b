using System.Reflection;
using AdaptiveSoftmax.Vocabulary;
using Microsoft.CodeAnalysis;

namespace AdaptiveSoftmax.Generators;

/// <summary>Every diagnostic: 1xxx for classes, 2xxx for specs, 3xxx for token tables and vocabularies.</summary>
internal static class Descriptors
{
    private const string Category = "AdaptiveSoftmax";

    /// <summary>The address of the pages where the repository is published, with a slash at its end; empty until it is.</summary>
    public static string PublishedPages { get; } = typeof(Descriptors).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .FirstOrDefault(attribute => attribute.Key == "RepositoryUrl")?.Value is { Length: > 0 } address ? $"{address}/blob/main/docs/diagnostics/" : "";

    // Where these are reported, the class is not completed or only stood in for: a build that went on would give another program.
    private static readonly string[] s_structural = [WellKnownDiagnosticTags.NotConfigurable];

    public static readonly DiagnosticDescriptor ClassNotPartial = Create("ASMX1001", "The class is not partial", "The class '{0}' cannot be completed because it is not partial; add 'partial' to its declaration");
    public static readonly DiagnosticDescriptor EnclosingTypeNotPartial = Create("ASMX1002", "An enclosing type is not partial", "The class '{0}' cannot be completed because the type '{1}' around it is not partial; add 'partial' to the declaration of '{1}'");
    public static readonly DiagnosticDescriptor OtherBaseClass = Create("ASMX1003", "The class has another base class", "The class '{0}' derives from '{1}', but its generated part must derive from 'AdaptiveSoftmaxLayer'; remove the base class");
    public static readonly DiagnosticDescriptor StaticClass = Create("ASMX1004", "The class is static", "The static class '{0}' cannot hold weights; remove 'static'");
    public static readonly DiagnosticDescriptor AbstractClass = Create("ASMX1005", "The class is abstract", "The abstract class '{0}' could not be created by its generated factories; remove 'abstract'");
    public static readonly DiagnosticDescriptor RecordClass = Create("ASMX1006", "The class is a record", "The record '{0}' cannot derive from 'AdaptiveSoftmaxLayer', which is no record; declare it as a class");
    public static readonly DiagnosticDescriptor GenericClass = Create("ASMX1007", "The class is generic", "The class '{0}' has type parameters, but a spec describes exactly one softmax; remove the type parameters or nest the class in the generic type");
    public static readonly DiagnosticDescriptor FileLocalClass = Create("ASMX1008", "The class is visible in its file only", "The class '{0}' cannot be completed in another file because it, or a type around it, is declared 'file'; remove 'file'");
    public static readonly DiagnosticDescriptor ReservedName = Create("ASMX1009", "A name is that of a generated member", "{0}; choose another name");
    public static readonly DiagnosticDescriptor SpecNotFound = Create("ASMX1010", "The spec is not among the AdditionalFiles", "The spec '{0}' is not among the project's AdditionalFiles; {1}");
    public static readonly DiagnosticDescriptor SpecAmbiguous = Create("ASMX1011", "Several specs have this name", "The name '{0}' fits several AdditionalFiles, '{1}' and '{2}' among them; {3}");
    public static readonly DiagnosticDescriptor OwnConstructor = Create("ASMX1012", "The class has a constructor of its own", "The class '{0}' has a constructor beside the generated one, through which 'Create' and 'Load' make it; remove it, or let it call the generated one by ': this(...)'");
    public static readonly DiagnosticDescriptor RequiredMember = Create("ASMX1013", "The class has a required member", "The member '{0}.{1}' is required, but the generated 'Create' and 'Load' cannot set it; remove 'required'");
    public static readonly DiagnosticDescriptor LanguageTooOld = Create("ASMX1014", "The version of C# is too old", "The generated half of '{0}' is written in C# {1}, but the project is compiled as C# {2}; remove <LangVersion> from the project or raise it");

    public static readonly DiagnosticDescriptor MalformedJson = CreateSpec("ASMX2001", "The spec is not JSON");
    public static readonly DiagnosticDescriptor BadEscape = CreateSpec("ASMX2002", "An escape is not one of those allowed");
    public static readonly DiagnosticDescriptor UnknownMember = CreateSpec("ASMX2003", "The spec has a member that no spec has");
    public static readonly DiagnosticDescriptor DuplicateMember = CreateSpec("ASMX2004", "The spec gives a member twice");
    public static readonly DiagnosticDescriptor MissingMember = CreateSpec("ASMX2005", "The spec lacks a member");
    public static readonly DiagnosticDescriptor WrongType = CreateSpec("ASMX2006", "A member is of the wrong type");
    public static readonly DiagnosticDescriptor OutOfRange = CreateSpec("ASMX2007", "A number is out of range");
    public static readonly DiagnosticDescriptor ConflictingMembers = CreateSpec("ASMX2008", "Two members exclude each other");
    public static readonly DiagnosticDescriptor CutoffsEmpty = CreateSpec("ASMX2009", "There are no cutoffs");
    public static readonly DiagnosticDescriptor CutoffsUnsorted = CreateSpec("ASMX2010", "The cutoffs do not ascend");
    public static readonly DiagnosticDescriptor CutoffRepeated = CreateSpec("ASMX2011", "A cutoff is given twice");
    public static readonly DiagnosticDescriptor CutoffBeyondVocabulary = CreateSpec("ASMX2012", "A cutoff is not below the vocabulary size");
    public static readonly DiagnosticDescriptor ClusterCountMismatch = CreateSpec("ASMX2013", "A list does not have one entry for each tail cluster");
    public static readonly DiagnosticDescriptor ProjectionWidthZero = CreateSpec("ASMX2014", "A projection would have width 0");
    public static readonly DiagnosticDescriptor UnknownPrecision = CreateSpec("ASMX2015", "A precision is not known");
    public static readonly DiagnosticDescriptor InvalidTableName = CreateSpec("ASMX2016", "The name of the token table cannot name a file");
    public static readonly DiagnosticDescriptor TableMissing = CreateSpec("ASMX2017", "The token table was not found");
    public static readonly DiagnosticDescriptor UnusedFileWrong = CreateWarning("ASMX2018", "A file that no class names is wrong", "No class names '{0}', which is wrong: {1}");
    public static readonly DiagnosticDescriptor UnknownSoftmax = CreateSpec("ASMX2019", "A kind of softmax is not known");
    public static readonly DiagnosticDescriptor EmptyVocabulary = CreateSpec("ASMX3001", "The vocabulary has no tokens");
    public static readonly DiagnosticDescriptor SingleToken = CreateSpec("ASMX3002", "The vocabulary has only one token");
    public static readonly DiagnosticDescriptor DuplicateToken = CreateSpec("ASMX3003", "A token stands in the vocabulary twice");
    public static readonly DiagnosticDescriptor DuplicateId = CreateSpec("ASMX3004", "Two tokens have the same id");
    public static readonly DiagnosticDescriptor NegativeId = CreateSpec("ASMX3005", "An id is negative");
    public static readonly DiagnosticDescriptor IdTooLarge = CreateSpec("ASMX3006", "An id is too large");
    public static readonly DiagnosticDescriptor InvalidToken = CreateSpec("ASMX3007", "A token of the spec is not valid");
    public static readonly DiagnosticDescriptor TableTruncated = CreateSpec("ASMX3008", "The token table ends in the middle of a line");
    public static readonly DiagnosticDescriptor WrongColumnCount = CreateSpec("ASMX3009", "A line of the token table does not have three columns");
    public static readonly DiagnosticDescriptor InvalidNumber = CreateSpec("ASMX3010", "A column of the token table is not a number");
    public static readonly DiagnosticDescriptor UnescapedCharacter = CreateSpec("ASMX3011", "A character of the token table must be escaped");
    public static readonly DiagnosticDescriptor CountsOutOfOrder = CreateSpec("ASMX3012", "The lines of the token table are not in order");

    public static readonly DiagnosticDescriptor StringHeapFull = CreateWarning(
        "ASMX3013",
        "The tables do not fit into the assembly's string heap",
        "The look-up tables of '{0}' take {1} bytes, which the assembly's string heap cannot hold beside those of other classes; they are written as constant data, which the compiler needs seconds for at every build of this project, whatever was edited; put the class into a project of its own");

    private static readonly Dictionary<SpecErrorKind, DiagnosticDescriptor> s_ofKind = new()
    {
        [SpecErrorKind.MalformedJson] = MalformedJson,
        [SpecErrorKind.BadEscape] = BadEscape,
        [SpecErrorKind.UnknownMember] = UnknownMember,
        [SpecErrorKind.DuplicateMember] = DuplicateMember,
        [SpecErrorKind.MissingMember] = MissingMember,
        [SpecErrorKind.WrongType] = WrongType,
        [SpecErrorKind.OutOfRange] = OutOfRange,
        [SpecErrorKind.ConflictingMembers] = ConflictingMembers,
        [SpecErrorKind.CutoffsEmpty] = CutoffsEmpty,
        [SpecErrorKind.CutoffsUnsorted] = CutoffsUnsorted,
        [SpecErrorKind.CutoffRepeated] = CutoffRepeated,
        [SpecErrorKind.CutoffBeyondVocabulary] = CutoffBeyondVocabulary,
        [SpecErrorKind.ClusterCountMismatch] = ClusterCountMismatch,
        [SpecErrorKind.ProjectionWidthZero] = ProjectionWidthZero,
        [SpecErrorKind.UnknownPrecision] = UnknownPrecision,
        [SpecErrorKind.InvalidTableName] = InvalidTableName,
        [SpecErrorKind.TableMissing] = TableMissing,
        [SpecErrorKind.EmptyVocabulary] = EmptyVocabulary,
        [SpecErrorKind.SingleToken] = SingleToken,
        [SpecErrorKind.DuplicateToken] = DuplicateToken,
        [SpecErrorKind.DuplicateId] = DuplicateId,
        [SpecErrorKind.NegativeId] = NegativeId,
        [SpecErrorKind.IdTooLarge] = IdTooLarge,
        [SpecErrorKind.InvalidToken] = InvalidToken,
        [SpecErrorKind.TableTruncated] = TableTruncated,
        [SpecErrorKind.WrongColumnCount] = WrongColumnCount,
        [SpecErrorKind.InvalidNumber] = InvalidNumber,
        [SpecErrorKind.UnescapedCharacter] = UnescapedCharacter,
        [SpecErrorKind.CountsOutOfOrder] = CountsOutOfOrder,
        [SpecErrorKind.UnknownSoftmax] = UnknownSoftmax,
    };

    /// <summary>The diagnostic of an error in a spec or token table.</summary>
    public static DiagnosticDescriptor Of(SpecErrorKind kind) => s_ofKind[kind];

    /// <summary>Every diagnostic that there is.</summary>
    public static IReadOnlyList<DiagnosticDescriptor> All { get; } =
    [
        ClassNotPartial, EnclosingTypeNotPartial, OtherBaseClass, StaticClass, AbstractClass, RecordClass, GenericClass,
        FileLocalClass, ReservedName, SpecNotFound, SpecAmbiguous, OwnConstructor, RequiredMember, LanguageTooOld, UnusedFileWrong, StringHeapFull,
        .. s_ofKind.Values,
    ];

    private static readonly Dictionary<string, DiagnosticDescriptor> s_ofId = All.ToDictionary(descriptor => descriptor.Id);

    /// <summary>The diagnostic with an id.</summary>
    public static DiagnosticDescriptor Of(string id) => s_ofId[id];

    /// <summary>The same diagnostic with a link to its page.</summary>
    /// <param name="descriptor">The diagnostic.</param>
    /// <param name="pages">The folder or address that the pages stand in; empty where it is not known.</param>
    public static DiagnosticDescriptor WithPage(DiagnosticDescriptor descriptor, string pages) => pages.Length == 0
        ? descriptor
        : new(descriptor.Id, descriptor.Title, descriptor.MessageFormat, descriptor.Category, descriptor.DefaultSeverity, descriptor.IsEnabledByDefault, descriptor.Description, $"{pages}{descriptor.Id}.md", [.. descriptor.CustomTags]);

    // What is wrong and how to mend it is said by the reader, which knows the values.
    private static DiagnosticDescriptor CreateSpec(string id, string title) => Create(id, title, "{0} {1}");

    private static DiagnosticDescriptor Create(string id, string title, string message) =>
        new(id, title, message, Category, DiagnosticSeverity.Error, isEnabledByDefault: true, helpLinkUri: PageOf(id), customTags: s_structural);

    private static DiagnosticDescriptor CreateWarning(string id, string title, string message) =>
        new(id, title, message, Category, DiagnosticSeverity.Warning, isEnabledByDefault: true, helpLinkUri: PageOf(id));

    private static string? PageOf(string id) => PublishedPages.Length == 0 ? null : $"{PublishedPages}{id}.md";
}
