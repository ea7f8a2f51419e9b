using System.Buffers.Binary;
using System.Text;

namespace AdaptiveSoftmax;

/// <summary>
/// Writes a zip file of stored records whose data starts at multiples of 64 bytes, where <c>torch.load(mmap=True)</c>
/// uses it in place. .NET's <see cref="System.IO.Compression.ZipArchive"/> cannot place data; it reads these files.
/// </summary>
/// <param name="stream">Where the file goes; it need not seek.</param>
/// <param name="zip64From">The sizes and offsets that need the 64-bit fields, less only in tests.</param>
internal sealed class StoredZipWriter(Stream stream, long zip64From = StoredZipWriter.DefaultZip64From)
{
    public const long DefaultZip64From = uint.MaxValue;

    private const int Alignment = 64;
    private const int LocalLength = 30;
    private const int CentralLength = 46;
    private const ushort Zip64Id = 1;

    // What PyTorch names its padding.
    private const ushort PaddingId = 0x4246;
    private const int ExtraHeader = 4;

    private readonly List<Entry> _entries = [];
    private long _position;

    /// <summary>Adds a small record.</summary>
    public void Add(string name, ReadOnlySpan<byte> bytes)
    {
        Begin(name, bytes.Length, Crc32.Append(0, bytes));
        Write(bytes);
    }

    /// <summary>Begins a record, whose bytes follow by <see cref="Write"/>.</summary>
    public void Begin(string name, long length, uint crc)
    {
        var entry = new Entry(Encoding.UTF8.GetBytes(name), length, crc, _position);
        _entries.Add(entry);
        var sizes = IsLarge(length) ? ExtraHeader + (2 * sizeof(long)) : 0;
        var before = _position + LocalLength + entry.Name.Length + sizes + ExtraHeader;
        var padding = (int)((Alignment - (before % Alignment)) % Alignment);

        var header = new Fields(LocalLength + entry.Name.Length + sizes + ExtraHeader + padding);
        header.Add32(0x04034B50).Add16(IsLarge(length) ? 45 : 20);
        AddCommon(header, entry, IsLarge(length), sizes + ExtraHeader + padding);
        header.AddBytes(entry.Name);
        if (sizes > 0) header.Add16(Zip64Id).Add16(2 * sizeof(long)).Add64(length).Add64(length);
        header.Add16(PaddingId).Add16(padding);
        Write(header.Bytes);
    }

    /// <summary>Writes bytes of the record that was begun.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        stream.Write(bytes);
        _position += bytes.Length;
    }

    /// <summary>Writes the directory of the records.</summary>
    public void Finish()
    {
        var start = _position;
        foreach (var entry in _entries) WriteCentral(entry);
        var length = _position - start;
        var isLarge = IsLarge(start) || IsLarge(length) || _entries.Count >= Math.Min(zip64From, ushort.MaxValue);
        if (isLarge)
        {
            var end = new Fields(56 + 20);
            // The end of the directory in 64 bits, and where that stands.
            end.Add32(0x06064B50).Add64(56 - 12).Add16(45).Add16(45).Add32(0).Add32(0);
            end.Add64(_entries.Count).Add64(_entries.Count).Add64(length).Add64(start);
            end.Add32(0x07064B50).Add32(0).Add64(_position).Add32(1);
            Write(end.Bytes);
        }

        var fields = new Fields(22);
        var count = isLarge ? ushort.MaxValue : _entries.Count;
        fields.Add32(0x06054B50).Add16(0).Add16(0).Add16(count).Add16(count);
        fields.Add32(isLarge ? uint.MaxValue : length).Add32(isLarge ? uint.MaxValue : start).Add16(0);
        Write(fields.Bytes);
    }

    private void WriteCentral(Entry entry)
    {
        var (isLarge, isFar) = (IsLarge(entry.Length), IsLarge(entry.Offset));
        var large = (isLarge ? 2 * sizeof(long) : 0) + (isFar ? sizeof(long) : 0);
        var extra = large > 0 ? ExtraHeader + large : 0;
        var header = new Fields(CentralLength + entry.Name.Length + extra);
        var version = large > 0 ? 45 : 20;
        header.Add32(0x02014B50).Add16(version).Add16(version);
        AddCommon(header, entry, isLarge, extra);
        // No comment, the first disk, no attributes.
        header.Add16(0).Add16(0).Add16(0).Add32(0).Add32(isFar ? uint.MaxValue : entry.Offset);
        header.AddBytes(entry.Name);
        if (extra > 0)
        {
            header.Add16(Zip64Id).Add16(large);
            if (isLarge) header.Add64(entry.Length).Add64(entry.Length);
            if (isFar) header.Add64(entry.Offset);
        }

        Write(header.Bytes);
    }

    // Flag 11: the name is UTF-8. Method 0: stored. The date is the format's first, so that the same weights give the same bytes.
    private static void AddCommon(Fields header, Entry entry, bool isLarge, int extra)
    {
        var length = isLarge ? uint.MaxValue : entry.Length;
        header.Add16(1 << 11).Add16(0).Add16(0).Add16(0x21).Add32(entry.Crc).Add32(length).Add32(length);
        header.Add16(entry.Name.Length).Add16(extra);
    }

    private bool IsLarge(long value) => value >= zip64From;

    private sealed record Entry(byte[] Name, long Length, uint Crc, long Offset);

    /// <summary>A record of little-endian fields of a length that is known before.</summary>
    private sealed class Fields(int length)
    {
        private int _position;

        public byte[] Bytes { get; } = new byte[length];

        public Fields Add16(int value)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(Bytes.AsSpan(_position), checked((ushort)value));
            _position += sizeof(ushort);
            return this;
        }

        public Fields Add32(long value)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(Bytes.AsSpan(_position), checked((uint)value));
            _position += sizeof(uint);
            return this;
        }

        public Fields Add64(long value)
        {
            BinaryPrimitives.WriteInt64LittleEndian(Bytes.AsSpan(_position), value);
            _position += sizeof(long);
            return this;
        }

        public void AddBytes(ReadOnlySpan<byte> bytes)
        {
            bytes.CopyTo(Bytes.AsSpan(_position));
            _position += bytes.Length;
        }
    }
}
