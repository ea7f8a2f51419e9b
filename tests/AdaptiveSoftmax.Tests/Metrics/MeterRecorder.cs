using System.Diagnostics.Metrics;

namespace AdaptiveSoftmax.Tests;

/// <summary>Keeps the measurements of the library's meter that carry a tag of this test's.</summary>
internal sealed class MeterRecorder : IDisposable
{
    /// <summary>A meter is one for the whole process: tests that count on nobody listening share this collection.</summary>
    public const string Collection = "Listening to the meter";

    private readonly MeterListener _listener = new();
    private readonly List<Entry> _entries = [];

    /// <summary>Listens.</summary>
    /// <param name="tag">The name of a tag.</param>
    /// <param name="value">Its value in the measurements to keep.</param>
    /// <param name="instruments">The instruments to listen to; all if empty.</param>
    public MeterRecorder(string tag, string value, params string[] instruments)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == Instrumentation.MeterName && (instruments.Length == 0 || instruments.Contains(instrument.Name))) listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((instrument, measurement, tags, _) => Keep(instrument, measurement, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, measurement, tags, _) => Keep(instrument, measurement, tags));
        _listener.Start();

        void Keep(Instrument instrument, double measurement, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            var mine = false;
            foreach (var each in tags) mine |= each.Key == tag && each.Value as string == value;
            if (!mine) return;
            var text = string.Join(" ", tags.ToArray().Where(each => each.Key != tag).Select(each => $"{each.Key}={each.Value}").Order(StringComparer.Ordinal));
            lock (_entries) _entries.Add(new Entry(instrument, measurement, text));
        }
    }

    public IReadOnlyList<Entry> Entries
    {
        get
        {
            lock (_entries) return [.. _entries];
        }
    }

    /// <summary>The sum of an instrument's measurements by its other tags, as <c>tag=value: sum</c>.</summary>
    public string[] Sums(string instrument) =>
        [.. Entries.Where(entry => entry.Instrument.Name == instrument).GroupBy(entry => entry.Tags).Select(group => $"{group.Key}: {group.Sum(entry => entry.Value)}").Order(StringComparer.Ordinal)];

    public void Dispose() => _listener.Dispose();

    internal sealed record Entry(Instrument Instrument, double Value, string Tags);
}
