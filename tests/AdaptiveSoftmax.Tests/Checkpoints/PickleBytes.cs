using System.Globalization;
using System.IO.Compression;
using System.Text;

namespace AdaptiveSoftmax.Tests.Checkpoints;

/// <summary>Writes pickles operation by operation, and zip files around them, as <c>torch.save</c> lays them out.</summary>
internal sealed class PickleBytes
{
    private readonly List<byte> _bytes = [];

    public PickleBytes() => Raw(0x80, 2);

    public byte[] Bytes => [.. _bytes];

    public PickleBytes Raw(params byte[] bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }

    public PickleBytes Op(string operations) => Raw(Encoding.ASCII.GetBytes(operations));

    public PickleBytes Text(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        return Op("X").Raw(BitConverter.GetBytes(bytes.Length)).Raw(bytes);
    }

    public PickleBytes Number(int number) => Op("J").Raw(BitConverter.GetBytes(number));

    public PickleBytes Global(string module, string name) => Op($"c{module}\n{name}\n");

    public PickleBytes OrderedDict() => Global("collections", "OrderedDict").Op(")R");

    public PickleBytes Numbers(params int[] numbers)
    {
        Op("(");
        foreach (var number in numbers) Number(number);
        return Op("t");
    }

    public PickleBytes Tensor(string storage, int key, int count, int offset, int[] shape, int[] strides, string? mark = null)
    {
        Global("torch._utils", "_rebuild_tensor_v2").Op("((").Text("storage").Global("torch", storage);
        Text(key.ToString(CultureInfo.InvariantCulture)).Text("cpu").Number(count).Op("tQ").Number(offset);
        Numbers(shape).Numbers(strides).Raw(0x89).OrderedDict();
        if (mark is not null) Op("}").Text(mark).Raw(0x88).Op("s");
        return Op("tR");
    }

    public PickleBytes Untyped(int key, int bytes, string type, int[] shape)
    {
        Global("torch._utils", "_rebuild_tensor_v3").Op("((").Text("storage").Global("torch.storage", "UntypedStorage");
        Text(key.ToString(CultureInfo.InvariantCulture)).Text("cpu").Number(bytes).Op("tQ").Number(0);
        return Numbers(shape).Numbers(1).Raw(0x89).OrderedDict().Global("torch", type).Op("tR");
    }

    public byte[] Zip(params byte[][] storages) => Zip(CompressionLevel.NoCompression, "little", storages);

    public byte[] Zip(CompressionLevel compression, string order, params byte[][] storages)
    {
        var file = new MemoryStream();
        using (var zip = new ZipArchive(file, ZipArchiveMode.Create, leaveOpen: true))
        {
            Add(zip, "model/data.pkl", Bytes, CompressionLevel.NoCompression);
            Add(zip, "model/byteorder", Encoding.ASCII.GetBytes(order), CompressionLevel.NoCompression);
            for (var i = 0; i < storages.Length; i++) Add(zip, string.Create(CultureInfo.InvariantCulture, $"model/data/{i}"), storages[i], compression);
            Add(zip, "model/version", "3\n"u8.ToArray(), CompressionLevel.NoCompression);
        }

        return file.ToArray();
    }

    public static void Add(ZipArchive zip, string name, byte[] bytes, CompressionLevel compression)
    {
        using var stream = zip.CreateEntry(name, compression).Open();
        stream.Write(bytes);
    }
}
