using TorchLstmSample;

namespace AdaptiveSoftmax.TorchLstm.Tests;

public sealed class PerplexityTests
{
    /// <summary>Against an LSTM and a softmax of plain loops in double precision, one stretch after the other.</summary>
    [Theory]
    [InlineData(1, 300)]
    [InlineData(130, 300)]
    [InlineData(2200, 900)]
    public void Perplexity_IsThatOfPlainLoops(int tokens, int length)
    {
        var text = TinyLstm.CreateText(length);
        using var layer = TinyLstm.CreateLayer(seed: 1);
        using var model = TinyLstm.CreateAdaptive(layer, seed: 1);
        using var trainer = new LstmTrainer(model, text, TinyLstm.Streams, TinyLstm.Steps);
        for (var step = 0; step < 20; step++) trainer.Step(step, rate: 1, seed: 1);

        var reference = new PlainLstm(model);
        var stretches = (tokens + LstmModel.JudgedTokens - 1) / LstmModel.JudgedTokens;
        var read = LstmModel.ContextTokens + LstmModel.JudgedTokens;
        var loss = 0.0;
        for (var stretch = 0; stretch < stretches; stretch++)
        {
            var start = stretches == 1 ? 0 : (int)((long)stretch * (length - read - 1) / (stretches - 1));
            reference.Forget();
            for (var i = 0; i < read; i++)
            {
                var logProb = reference.ReadThenLogProb(text[start + i], text[start + i + 1]);
                if (i >= LstmModel.ContextTokens) loss -= logProb;
            }
        }

        Assert.Equal(Math.Exp(loss / (stretches * LstmModel.JudgedTokens)), model.Perplexity(text, tokens), 1e-4);
    }

    [Fact]
    public void TextShorterThanAStretch_IsAnError()
    {
        using var layer = TinyLstm.CreateLayer(seed: 1);
        using var model = TinyLstm.CreateAdaptive(layer, seed: 1);
        var error = Assert.Throws<ArgumentException>(() => model.Perplexity(TinyLstm.CreateText(128), 64));
        Assert.Contains("129", error.Message, StringComparison.Ordinal);
        Assert.True(double.IsFinite(model.Perplexity(TinyLstm.CreateText(129), 64)));
    }

    private sealed class PlainLstm(LstmModel model)
    {
        private const int Hidden = TinyLstm.Hidden;

        private readonly float[] _embedding = TinyLstm.Floats(model.Body.Embeddings.Values);
        private readonly Dictionary<string, float[]> _body = model.Body.NamedParameters.ToDictionary(pair => pair.Name["body.lstm.".Length..], pair => TinyLstm.Floats(pair.Parameter));
        private readonly Dictionary<string, float[]> _head = ((AdaptiveHead)model.Head).Module.named_parameters().ToDictionary(pair => pair.name, pair => TinyLstm.Floats(pair.parameter));
        private double[] _state = new double[Hidden], _cell = new double[Hidden];

        public void Forget() => (_state, _cell) = (new double[Hidden], new double[Hidden]);

        public double ReadThenLogProb(int token, int next)
        {
            double[] input = [.. _embedding.Skip(Math.Min(token, 19) * 6).Take(6).Select(value => (double)value)];
            var gates = Add(Multiply(_body["weight_ih_l0"], input), Multiply(_body["weight_hh_l0"], _state));
            for (var i = 0; i < gates.Length; i++) gates[i] += _body["bias_ih_l0"][i] + _body["bias_hh_l0"][i];
            for (var i = 0; i < Hidden; i++)
            {
                _cell[i] = (Sigmoid(gates[Hidden + i]) * _cell[i]) + (Sigmoid(gates[i]) * Math.Tanh(gates[(2 * Hidden) + i]));
                _state[i] = Sigmoid(gates[(3 * Hidden) + i]) * Math.Tanh(_cell[i]);
            }

            var head = LogSoftmax(Multiply(_head["head.weight"], _state));
            if (next < 6) return head[next];
            var cluster = next < 14 ? 0 : 1;
            var projected = Multiply(_head[$"tail.{cluster}.0.weight"], _state);
            return head[6 + cluster] + LogSoftmax(Multiply(_head[$"tail.{cluster}.1.weight"], projected))[next - (cluster == 0 ? 6 : 14)];
        }

        private static double[] Multiply(float[] matrix, double[] vector) =>
            [.. Enumerable.Range(0, matrix.Length / vector.Length).Select(row => vector.Select((value, i) => value * matrix[(row * vector.Length) + i]).Sum())];

        private static double[] Add(double[] left, double[] right) => [.. left.Zip(right, (a, b) => a + b)];

        private static double[] LogSoftmax(double[] logits)
        {
            var sum = Math.Log(logits.Sum(Math.Exp));
            return [.. logits.Select(logit => logit - sum)];
        }

        private static double Sigmoid(double value) => 1 / (1 + Math.Exp(-value));
    }
}
