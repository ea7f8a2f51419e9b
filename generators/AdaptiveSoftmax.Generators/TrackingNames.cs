namespace AdaptiveSoftmax.Generators;

/// <summary>The names of the pipeline's steps, in the order of the flow.</summary>
internal static class TrackingNames
{
    /// <summary>The annotated classes, without positions.</summary>
    public const string Classes = nameof(Classes);

    /// <summary>The texts of the specs, compared by content.</summary>
    public const string SpecTexts = nameof(SpecTexts);

    /// <summary>The specs that were read, with the positions in them.</summary>
    public const string Specs = nameof(Specs);

    /// <summary>The texts of the token tables that a spec names, compared by content.</summary>
    public const string TableTexts = nameof(TableTexts);

    /// <summary>The token tables that were read.</summary>
    public const string Tables = nameof(Tables);

    /// <summary>Each spec with its token table, or what is wrong with them.</summary>
    public const string Definitions = nameof(Definitions);

    /// <summary>Each class with its definition.</summary>
    public const string Models = nameof(Models);

    /// <summary>The vocabulary of each class, which its look-up tables are built from.</summary>
    public const string Vocabularies = nameof(Vocabularies);

    /// <summary>The look-up tables of each class.</summary>
    public const string Lookups = nameof(Lookups);

    /// <summary>The vocabularies whose tables do not fit into the assembly's string heap.</summary>
    public const string TableForms = nameof(TableForms);

    /// <summary>What the file with sizes, layers and members is written from.</summary>
    public const string ClassSources = nameof(ClassSources);

    /// <summary>What the file with the tables is written from.</summary>
    public const string TableSources = nameof(TableSources);

    /// <summary>Whether the program references the GPU package.</summary>
    public const string GpuReference = nameof(GpuReference);

    /// <summary>What the file with the layer on a device is written from, in a program that references the GPU package.</summary>
    public const string GpuSources = nameof(GpuSources);

    /// <summary>Whether ILGPU must be made a friend of the assembly, so that it sees the classes on CUDA.</summary>
    public const string Friend = nameof(Friend);

    /// <summary>What is wrong in specs and token tables.</summary>
    public const string Errors = nameof(Errors);
}
