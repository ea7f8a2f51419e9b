namespace AdaptiveSoftmax.Tests.Training;

/// <summary>PyTorch's documented formulas, one value at a time in double: what the fused passes are held against.</summary>
internal abstract class ReferenceOptimizer
{
    public abstract void Step(double[] values, double[] gradient);

    public sealed class Sgd(double lr, double momentum, double dampening, double weightDecay, bool nesterov) : ReferenceOptimizer
    {
        private double[]? _buffer;

        public override void Step(double[] values, double[] gradient)
        {
            var isFirst = _buffer is null;
            _buffer ??= new double[values.Length];
            for (var i = 0; i < values.Length; i++)
            {
                var g = gradient[i];
                if (weightDecay != 0) g += weightDecay * values[i];
                if (momentum != 0)
                {
                    _buffer[i] = isFirst ? g : (momentum * _buffer[i]) + ((1 - dampening) * g);
                    g = nesterov ? g + (momentum * _buffer[i]) : _buffer[i];
                }

                values[i] -= lr * g;
            }
        }
    }

    public sealed class SparseSgd(double lr, double momentum, double dampening, double weightDecay) : ReferenceOptimizer
    {
        private double[]? _buffer;

        public override void Step(double[] values, double[] gradient)
        {
            _buffer ??= new double[values.Length];
            for (var i = 0; i < values.Length; i++)
            {
                _buffer[i] = (momentum * _buffer[i]) + ((1 - dampening) * (gradient[i] + (weightDecay * values[i])));
                values[i] -= lr * _buffer[i];
            }
        }
    }

    public sealed class Adagrad(double lr, double lrDecay, double weightDecay, double initial, double eps) : ReferenceOptimizer
    {
        private double[]? _sum;
        private int _step;

        public override void Step(double[] values, double[] gradient)
        {
            _sum ??= [.. Enumerable.Repeat(initial, values.Length)];
            _step++;
            var rate = lr / (1 + ((_step - 1) * lrDecay));
            for (var i = 0; i < values.Length; i++)
            {
                var g = gradient[i] + (weightDecay * values[i]);
                _sum[i] += g * g;
                values[i] -= rate * g / (Math.Sqrt(_sum[i]) + eps);
            }
        }
    }

    public sealed class AdamW(double lr, double beta1, double beta2, double eps, double weightDecay) : ReferenceOptimizer
    {
        private double[]? _mean;
        private double[]? _square;
        private int _step;

        public override void Step(double[] values, double[] gradient)
        {
            _mean ??= new double[values.Length];
            _square ??= new double[values.Length];
            _step++;
            for (var i = 0; i < values.Length; i++)
            {
                values[i] -= lr * weightDecay * values[i];
                _mean[i] = (beta1 * _mean[i]) + ((1 - beta1) * gradient[i]);
                _square[i] = (beta2 * _square[i]) + ((1 - beta2) * gradient[i] * gradient[i]);
                var mean = _mean[i] / (1 - Math.Pow(beta1, _step));
                var square = _square[i] / (1 - Math.Pow(beta2, _step));
                values[i] -= lr * mean / (Math.Sqrt(square) + eps);
            }
        }
    }
}
