using System.Diagnostics;
using System.Globalization;
using System.Text;
using AdaptiveSoftmax;

// What eng/limits.sh measures inside a process: `train FILE` makes and saves weights, `decode FILE` loads them. A line a step: its name, and what it took.
_ = Words.Vocabulary.TryGetSlot("w0"u8, out _);
var start = DateTime.Now - Process.GetCurrentProcess().StartTime;
var (path, random, watch) = (args[1], new Random(1), new Stopwatch());
var hidden = new float[256 * Words.HiddenSize];
if (args[0] == "train")
{
    Say("start of the process, first look-up included", start.TotalMilliseconds, "ms");
    LookUpAll();
    Train();
}
else
{
    Decode();
}

void LookUpAll()
{
    var tokens = Enumerable.Range(0, Words.VocabularySize).Select(id => Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"w{id}"))).ToArray();
    random.Shuffle(tokens);
    var (misses, seconds) = (0, Time(() => Array.ForEach(tokens, token => _ = Words.Vocabulary.TryGetSlot(token, out _))));
    foreach (var token in tokens)
    {
        if (!Words.Vocabulary.TryGetSlot(token, out var slot) || !Words.Vocabulary.GetToken(slot.Slot).SequenceEqual(token)) misses++;
    }

    if (misses > 0) throw new InvalidOperationException($"{misses} tokens are not found.");
    Say("a look-up, of all tokens in random order", seconds * 1e9 / tokens.Length, "ns");
}

void Train()
{
    using var softmax = Words.Create(seed: 1);
    using var optimizer = new Adagrad(learningRate: 0.1);
    var (gradient, targets) = (new float[hidden.Length], new int[256]);
    var times = new List<double>();
    for (var step = 0; step < 12; step++)
    {
        FillHidden();

        // As frequent as the table says: Zipf's law.
        foreach (ref var target in targets.AsSpan()) target = (int)Math.Exp(random.NextDouble() * Math.Log(Words.VocabularySize)) - 1;
        times.Add(Time(() =>
        {
            softmax.Backward(hidden, targets, gradient);
            optimizer.Step(softmax);
        }));
    }

    Say("a training step of 256 targets, Adagrad included", 1e3 * Median(times.Skip(2)), "ms");
    Say("save", Time(() => softmax.Save(path)), "s");
}

void Decode()
{
    using var softmax = Words.Create(seed: 2);
    Say("load", Time(() => softmax.Restore(path)), "s");
    FillHidden();
    using var session = softmax.CreateSession();
    var (tokens, logProbs, draws) = (new int[40], new float[40], new SampleRandom(1));
    var options = new DecodeOptions { Temperature = 0.8f, TopP = 0.95f };
    Say("the best token", 1e3 * Median(Enumerable.Range(0, 64).Select(i => Time(() => softmax.Predict(Row(i))))), "ms");
    Say("the 40 best tokens", 1e3 * Median(Enumerable.Range(0, 64).Select(i => Time(() => session.TopK(Row(i), tokens, logProbs)))), "ms");
    Say("a draw, temperature 0.8, top-p 0.95", 1e3 * Median(Enumerable.Range(0, 64).Select(i => Time(() => session.Sample(Row(i), options, ref draws)))), "ms");
}

ReadOnlySpan<float> Row(int row) => hidden.AsSpan(row * Words.HiddenSize, Words.HiddenSize);

void FillHidden()
{
    foreach (ref var value in hidden.AsSpan()) value = random.NextSingle() - 0.5f;
}

double Time(Action action)
{
    watch.Restart();
    action();
    return watch.Elapsed.TotalSeconds;
}

static double Median(IEnumerable<double> values) => values.Order().ElementAt(values.Count() / 2);

static void Say(string name, double value, string unit) => Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}\t{(value < 100 ? value.ToString("G3", CultureInfo.InvariantCulture) : value.ToString("N0", CultureInfo.InvariantCulture))} {unit}"));

[AdaptiveSoftmax("words.softmax.json")]
public sealed partial class Words;
