using System.Globalization;

namespace AdaptiveSoftmax;

/// <summary>
/// Writes float32 tensors from native memory as a state dict that <c>torch.load</c> reads, with <c>weights_only=True</c>
/// and with <c>mmap=True</c> as well.
/// </summary>
public static class PyTorchWriter
{
    private const string Root = "archive/";

    /// <summary>Writes parameters under their own names, atomically: see <see cref="Vocabulary.AtomicFile"/>.</summary>
    /// <param name="path">The file, which is replaced if it exists.</param>
    /// <param name="parameters">The parameters, whose names must differ.</param>
    /// <param name="metadata">Strings to save beside them, which PyTorch passes over.</param>
    /// <exception cref="ArgumentException">Two parameters have one name.</exception>
    /// <exception cref="IOException">The file cannot be written; a file that was there before is left as it was.</exception>
    public static void Write(string path, IEnumerable<Parameter> parameters, IReadOnlyDictionary<string, string>? metadata = null)
    {
        using var content = WeightsContent.From(parameters, metadata);
        content.Write(path, WeightsFormat.PyTorch);
    }

    /// <summary>Writes parameters under their own names to a stream, from where it stands. The stream stays open.</summary>
    /// <param name="stream">The stream, which need not seek.</param>
    /// <param name="parameters">The parameters, whose names must differ.</param>
    /// <param name="metadata">Strings to save beside them, which PyTorch passes over.</param>
    /// <exception cref="ArgumentException">Two parameters have one name, or the stream cannot be written.</exception>
    /// <exception cref="IOException">The stream cannot be written.</exception>
    public static void Write(Stream stream, IEnumerable<Parameter> parameters, IReadOnlyDictionary<string, string>? metadata = null)
    {
        using var content = WeightsContent.From(parameters, metadata);
        content.Write(stream, WeightsFormat.PyTorch);
    }

    /// <summary>Writes the records in torch.save's order.</summary>
    internal static void WriteTo(Stream stream, WeightsContent content, long zip64From = StoredZipWriter.DefaultZip64From, CancellationToken cancellationToken = default)
    {
        var zip = new StoredZipWriter(stream, zip64From);
        var pickle = new PickleWriter();
        pickle.BeginStateDict();
        for (var i = 0; i < content.Entries.Count; i++) pickle.AddTensor(content.Entries[i], GetKey(i));
        zip.Add(Root + "data.pkl", pickle.End());
        zip.Add(Root + "byteorder", "little"u8);
        for (var i = 0; i < content.Entries.Count; i++) AddStorage(zip, $"{Root}data/{GetKey(i)}", content.Entries[i], cancellationToken);
        if (content.Metadata.Count > 0) zip.Add(Root + PyTorchReader.MetadataRecord, MetadataJson.WriteStrings(content.Metadata));
        zip.Add(Root + "version", "3\n"u8);
        zip.Finish();
    }

    /// <summary>Writes one tensor by itself, as <c>torch.save(tensor)</c> does.</summary>
    internal static void WriteTensorTo(Stream stream, WeightsContent.Entry tensor, CancellationToken cancellationToken = default)
    {
        var zip = new StoredZipWriter(stream, StoredZipWriter.DefaultZip64From);
        zip.Add(Root + "data.pkl", new PickleWriter().WriteTensor(tensor, GetKey(0)));
        zip.Add(Root + "byteorder", "little"u8);
        AddStorage(zip, $"{Root}data/{GetKey(0)}", tensor, cancellationToken);
        zip.Add(Root + "version", "3\n"u8);
        zip.Finish();
    }

    private static string GetKey(int index) => index.ToString(CultureInfo.InvariantCulture);

    // The checksum stands before the values, which are therefore read twice: memory is faster than a file.
    private static void AddStorage(StoredZipWriter zip, string name, WeightsContent.Entry entry, CancellationToken cancellationToken)
    {
        var crc = 0u;
        entry.ForEachChunk(chunk => crc = Crc32.Append(crc, chunk), cancellationToken);
        zip.Begin(name, entry.ByteCount, crc);
        entry.ForEachChunk(zip.Write, cancellationToken);
    }
}
