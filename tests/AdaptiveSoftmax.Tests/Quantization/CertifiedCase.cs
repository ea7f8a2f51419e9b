using CsCheck;

namespace AdaptiveSoftmax.Tests.Quantization;

/// <summary>A random layer whose weights and hidden vectors are made hard to certify in one of several ways.</summary>
internal sealed record CertifiedCase(LayerCase Layer, float Scale, CertifiedCase.Trouble Kind, CertifiedCase.Input Vectors)
{
    public static readonly Gen<CertifiedCase> Any =
        from layer in LayerCase.Any
        from scale in Gen.OneOf(Gen.Const(0.1f), Gen.Const(1f), Gen.Const(10f), Gen.Const(60f))
        from kind in Gen.Enum<Trouble>()
        from vectors in Gen.Enum<Input>()
        select new CertifiedCase(layer with { Tokens = 1 + (layer.Tokens % 7) }, scale, kind, vectors);

    public enum Trouble
    {
        None,
        NearlyEqualRows,
        EqualRows,
        OutliersInARow,
        RowsOfZeros,
        AllZero,
        AllEqual,
        Negative,
        Denormal,
        Huge,
        OneLongRow,
    }

    public enum Input
    {
        Random,
        Zero,
        OneHot,
        Tiny,
        Large,
        WithOutlier,
    }

    public DynamicAdaptiveSoftmax CreateLayer(int threads = 2)
    {
        var layer = Layer.CreateLayer(threads);
        var random = new Random((int)(Layer.Seed >> 16));
        foreach (var parameter in layer.Parameters)
        {
            foreach (ref var value in parameter.WritableValues) value *= Scale;
            for (var i = 0; i < parameter.Rows; i++) Change(parameter, i, random);
        }

        return layer;
    }

    public float[] Hidden()
    {
        var hidden = Layer.Hidden();
        var size = Layer.Layout.HiddenSize;
        for (var i = 0; i < hidden.Length; i++)
        {
            hidden[i] = Vectors switch
            {
                Input.Zero => 0,
                Input.OneHot => i % size == i / size % size ? 3 : 0,
                Input.Tiny => hidden[i] * 1e-42f,
                Input.Large => hidden[i] * 1e3f,
                Input.WithOutlier => i % size == size / 2 ? 300 : hidden[i],
                _ => hidden[i],
            };
        }

        return hidden;
    }

    private void Change(Parameter parameter, int index, Random random)
    {
        var row = parameter.WritableRow(index);
        var other = parameter.WritableRow(random.Next(parameter.Rows));
        switch (Kind)
        {
            case Trouble.NearlyEqualRows when random.Next(2) == 0:
                other.CopyTo(row);
                ref var value = ref row[random.Next(row.Length)];
                for (var steps = random.Next(4); steps > 0; steps--) value = MathF.BitIncrement(value);
                break;
            case Trouble.EqualRows when random.Next(2) == 0:
                other.CopyTo(row);
                break;
            case Trouble.OutliersInARow when random.Next(3) == 0:
                row[random.Next(row.Length)] *= 1e4f;
                break;
            case Trouble.RowsOfZeros when random.Next(2) == 0:
            case Trouble.AllZero:
                row.Clear();
                break;
            case Trouble.AllEqual:
                row.Fill(0.25f);
                break;
            case Trouble.Negative:
                foreach (ref var weight in row) weight = -MathF.Abs(weight);
                break;
            case Trouble.Denormal:
                foreach (ref var weight in row) weight *= 1e-43f;
                break;
            case Trouble.Huge when random.Next(2) == 0:
                foreach (ref var weight in row) weight *= 1e33f;
                break;
            case Trouble.OneLongRow when index == parameter.Rows / 2:
                foreach (ref var weight in row) weight *= 1e3f;
                break;
            default:
                break;
        }
    }
}
