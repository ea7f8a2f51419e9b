using System.Reflection;
using AdaptiveSoftmax.Gpu.Kernels;
using AdaptiveSoftmax.Gpu.Tests.Generated;

namespace AdaptiveSoftmax.Gpu.Tests.Ptx;

/// <summary>The library's kernels for layouts from 50 to a million tokens.</summary>
internal sealed class LibraryKernels : IKernelCases
{
    // The registers of 256 threads of which two groups fit a multiprocessor.
    private const int TwoGroups = 128;

    // Two matrices, each read ahead of the loop over the depth and in it.
    private const int ReadsOfTwo = 4;

    // Eight rows.
    private const int ReadsOfVector = 8;

    // Large tiles multiply in 512 instructions a pass through the loop; the others load, store and address.
    private const double LeastProductShare = 0.75;

    public IEnumerable<KernelCase> Cases =>
    [
        .. Shapes<Head50, Float4>("50 head"),
        .. Shapes<Head200K, Float4>("200,019 head"),
        .. Shapes<Tail200K, Float4>("200,019 tail"),
        .. Shapes<Head262K, Float4>("262,144 head"),
        .. Shapes<Tail262K, Float4>("262,144 tail"),
        .. Shapes<Tail1M, Float4>("1,000,000 tail"),
        .. Shapes<MatrixShape, Float4>("any"),
        .. Clusters<Tile128>(),
        .. Clusters<Tile16>(),
        .. Stored<BFloat8>("any, bfloat16"),
        .. Stored<Half8>("any, float16"),
        .. Generated("200,019 generated", typeof(ApiDocs)),
        .. Common(typeof(BatchKernels)).Concat(Common(typeof(DecodeKernels))).Concat(Common(typeof(UpdateKernels)).Concat(Common(typeof(NarrowKernels)))).Concat(Common(typeof(GradientKernels))).Concat(Common(typeof(LogitKernels))),
        .. Common(typeof(RowScores)).Concat(Common(typeof(RowMassKernels))).Concat(Common(typeof(RowSelectKernels))),
        .. Common(typeof(RowKernels)).Concat(Common(typeof(RowUpdateKernels))).Concat(Common(typeof(GradientCheckKernels))).Concat(Common(typeof(MatrixPlan))),
    ];

    private static IEnumerable<KernelCase> Shapes<TShape, TBlock>(string layout)
        where TShape : unmanaged, IMatrixShape
        where TBlock : unmanaged, IWeightBlock<TBlock>
    {
        yield return Case<TShape, Tile128, TBlock>(layout, typeof(ForwardKernels), nameof(ForwardKernels.LogProbs));
        yield return Case<TShape, Tile16, TBlock>(layout, typeof(ForwardKernels), nameof(ForwardKernels.LogProbs));
        yield return Case<TShape, Tile128, TBlock>(layout, typeof(DecodeKernels), nameof(DecodeKernels.Best));
        yield return Case<TShape, Tile16, TBlock>(layout, typeof(DecodeKernels), nameof(DecodeKernels.Best));
        yield return Case<TShape, TBlock>(layout, typeof(VectorKernels), nameof(VectorKernels.Best), ReadsOfVector);
        yield return Case<TShape, TBlock>(layout, typeof(VectorKernels), nameof(VectorKernels.Project), wideReads: 0);
    }

    // The products of training and of a body, which take their sizes from a table and so serve every layout.
    private static IEnumerable<KernelCase> Clusters<TTile>()
        where TTile : unmanaged, IRegisterTile
    {
        yield return Store<TTile, Float4>("any");
        yield return Cluster<TTile>(typeof(GradientKernels), nameof(GradientKernels.Input));
        yield return Cluster<TTile>(typeof(GradientKernels), nameof(GradientKernels.Weight)) with { GroupsAtOnce = Launches.Specialization.MinNumGroupsPerMultiprocessor };
    }

    // Weights that are decoded alone, of sizes known at run time.
    private static IEnumerable<KernelCase> Stored<TBlock>(string layout)
        where TBlock : unmanaged, IWeightBlock<TBlock> =>
        [.. Shapes<MatrixShape, TBlock>(layout), Store<Tile128, TBlock>(layout), Store<Tile16, TBlock>(layout)];

    private static KernelCase Store<TTile, TBlock>(string layout)
        where TTile : unmanaged, IRegisterTile
        where TBlock : unmanaged, IWeightBlock<TBlock> => new(
        layout, $"{nameof(ForwardKernels)}.{nameof(ForwardKernels.Store)} {typeof(TTile).Name}", typeof(ForwardKernels).GetMethod(nameof(ForwardKernels.Store))!.MakeGenericMethod(typeof(TTile), typeof(TBlock)),
        TileProduct.GroupSize, TwoGroups, ReadsOfProduct<TBlock>(), ProductShare<TTile>(), Launches.Tiles<TTile>().MinNumGroupsPerMultiprocessor);

    // A tile takes four values a thread, which in two bytes each are no read of 16.
    private static int ReadsOfProduct<TBlock>()
        where TBlock : unmanaged, IWeightBlock<TBlock> => default(TBlock).Values == 4 ? ReadsOfTwo : ReadsOfTwo / 2;

    private static KernelCase Cluster<TTile>(Type type, string name)
        where TTile : unmanaged, IRegisterTile => new(
        "any", $"{type.Name}.{name} {typeof(TTile).Name}", type.GetMethod(name)!.MakeGenericMethod(typeof(TTile)),
        TileProduct.GroupSize, TwoGroups, ReadsOfTwo, ProductShare<TTile>(), Launches.Tiles<TTile>().MinNumGroupsPerMultiprocessor);

    private static KernelCase Case<TShape, TTile, TBlock>(string layout, Type type, string name)
        where TTile : unmanaged, IRegisterTile
        where TBlock : unmanaged, IWeightBlock<TBlock> => new(
        layout, $"{type.Name}.{name} {typeof(TTile).Name}", type.GetMethod(name)!.MakeGenericMethod(typeof(TShape), typeof(TTile), typeof(TBlock)),
        TileProduct.GroupSize, TwoGroups, ReadsOfProduct<TBlock>(), ProductShare<TTile>(), Launches.Tiles<TTile>().MinNumGroupsPerMultiprocessor);

    private static double ProductShare<TTile>()
        where TTile : unmanaged, IRegisterTile => default(TTile).GroupRows == default(Tile128).GroupRows ? LeastProductShare : 0;

    private static KernelCase Case<TShape, TBlock>(string layout, Type type, string name, int wideReads)
        where TBlock : unmanaged, IWeightBlock<TBlock> => new(
        layout, $"{type.Name}.{name}", type.GetMethod(name)!.MakeGenericMethod(typeof(TShape), typeof(TBlock)), TileProduct.GroupSize, TwoGroups, wideReads, ReadsWords: default(TBlock).Values > 4);

    // What the generator writes for a class: the products on tensor cores.
    private static IEnumerable<KernelCase> Generated(string layout, Type type) =>
        from method in type.GetNestedType("TensorCores", BindingFlags.NonPublic)!.GetMethods(BindingFlags.Public | BindingFlags.Static)
        where method.ReturnType == typeof(void)
        select new KernelCase(layout, $"TensorCores.{method.Name}", method, TileProduct.GroupSize, TwoGroups, WideReads: 1);

    private static IEnumerable<KernelCase> Common(Type type) =>
        from method in type.GetMethods(BindingFlags.Public | BindingFlags.Static)
        where !method.IsGenericMethod && method.ReturnType == typeof(void)
        where !method.GetParameters().Any(parameter => parameter.IsOut)
        select new KernelCase("any", $"{type.Name}.{method.Name}", method, TileProduct.GroupSize, TwoGroups, WideReads: 0);

    private readonly struct Head50 : IMatrixShape
    {
        public int Rows => 22;

        public int Columns => 32;
    }

    private readonly struct Head200K : IMatrixShape
    {
        public int Rows => 2098;

        public int Columns => 512;
    }

    private readonly struct Tail200K : IMatrixShape
    {
        public int Rows => 179_810;

        public int Columns => 32;
    }

    private readonly struct Head262K : IMatrixShape
    {
        public int Rows => 8194;

        public int Columns => 1024;
    }

    private readonly struct Tail262K : IMatrixShape
    {
        public int Rows => 222_144;

        public int Columns => 64;
    }

    private readonly struct Tail1M : IMatrixShape
    {
        public int Rows => 900_000;

        public int Columns => 128;
    }
}
