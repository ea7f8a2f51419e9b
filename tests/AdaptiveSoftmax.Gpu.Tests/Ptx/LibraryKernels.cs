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
    private const int ReadsOfProduct = 4;

    // Large tiles multiply in 512 instructions a pass through the loop; the others load, store and address.
    private const double LeastProductShare = 0.75;

    public IEnumerable<KernelCase> Cases =>
    [
        .. Shapes<Head50>("50 head"),
        .. Shapes<Head200K>("200,019 head"),
        .. Shapes<Tail200K>("200,019 tail"),
        .. Shapes<Head262K>("262,144 head"),
        .. Shapes<Tail262K>("262,144 tail"),
        .. Shapes<Tail1M>("1,000,000 tail"),
        .. Shapes<MatrixShape>("any"),
        .. Clusters<Tile128>(),
        .. Clusters<Tile16>(),
        .. Generated("200,019 generated", typeof(ApiDocs)),
        .. Common(typeof(BatchKernels)).Concat(Common(typeof(DecodeKernels))).Concat(Common(typeof(UpdateKernels)).Concat(Common(typeof(NarrowKernels)))).Concat(Common(typeof(GradientKernels))).Concat(Common(typeof(LogitKernels))),
        .. Common(typeof(RowScores)).Concat(Common(typeof(RowMassKernels))).Concat(Common(typeof(RowSelectKernels))),
        .. Common(typeof(RowKernels)).Concat(Common(typeof(RowUpdateKernels))).Concat(Common(typeof(GradientCheckKernels))).Concat(Common(typeof(MatrixPlan))),
    ];

    private static IEnumerable<KernelCase> Shapes<TShape>(string layout)
        where TShape : unmanaged, IMatrixShape
    {
        yield return Case<TShape, Tile128>(layout, typeof(ForwardKernels), nameof(ForwardKernels.LogProbs));
        yield return Case<TShape, Tile16>(layout, typeof(ForwardKernels), nameof(ForwardKernels.LogProbs));
        yield return Case<TShape, Tile128>(layout, typeof(DecodeKernels), nameof(DecodeKernels.Best));
        yield return Case<TShape, Tile16>(layout, typeof(DecodeKernels), nameof(DecodeKernels.Best));
        yield return Case<TShape>(layout, typeof(VectorKernels), nameof(VectorKernels.Best), wideReads: 1);
        yield return Case<TShape>(layout, typeof(VectorKernels), nameof(VectorKernels.Project), wideReads: 0);
    }

    // The products of training and of a body, which take their sizes from a table and so serve every layout.
    private static IEnumerable<KernelCase> Clusters<TTile>()
        where TTile : unmanaged, IRegisterTile
    {
        yield return Cluster<TTile>(typeof(ForwardKernels), nameof(ForwardKernels.Store));
        yield return Cluster<TTile>(typeof(GradientKernels), nameof(GradientKernels.Input));
        yield return Cluster<TTile>(typeof(GradientKernels), nameof(GradientKernels.Weight)) with { GroupsAtOnce = Launches.Specialization.MinNumGroupsPerMultiprocessor };
    }

    private static KernelCase Cluster<TTile>(Type type, string name)
        where TTile : unmanaged, IRegisterTile => new(
        "any", $"{type.Name}.{name} {typeof(TTile).Name}", type.GetMethod(name)!.MakeGenericMethod(typeof(TTile)),
        TileProduct.GroupSize, TwoGroups, ReadsOfProduct, ProductShare<TTile>(), Launches.Tiles<TTile>().MinNumGroupsPerMultiprocessor);

    private static KernelCase Case<TShape, TTile>(string layout, Type type, string name)
        where TTile : unmanaged, IRegisterTile => new(
        layout, $"{type.Name}.{name} {typeof(TTile).Name}", type.GetMethod(name)!.MakeGenericMethod(typeof(TShape), typeof(TTile)),
        TileProduct.GroupSize, TwoGroups, ReadsOfProduct, ProductShare<TTile>(), Launches.Tiles<TTile>().MinNumGroupsPerMultiprocessor);

    private static double ProductShare<TTile>()
        where TTile : unmanaged, IRegisterTile => default(TTile).GroupRows == default(Tile128).GroupRows ? LeastProductShare : 0;

    private static KernelCase Case<TShape>(string layout, Type type, string name, int wideReads) => new(
        layout, $"{type.Name}.{name}", type.GetMethod(name)!.MakeGenericMethod(typeof(TShape)), TileProduct.GroupSize, TwoGroups, wideReads);

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
