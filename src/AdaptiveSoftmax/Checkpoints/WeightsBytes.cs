using AdaptiveSoftmax.Vocabulary;
using Microsoft.Win32.SafeHandles;

namespace AdaptiveSoftmax;

/// <summary>
/// The bytes of a file of weights: of a file, or of a stream from where it stands to its end. Any place can be read, and
/// by several threads at once.
/// </summary>
internal sealed class WeightsBytes : IDisposable
{
    private readonly Stream _stream;
    private readonly SafeFileHandle? _handle;
    private readonly bool _isMapped;
    private MappedFile? _map;
    private readonly long _start;
    private readonly bool _leavesOpen;
    private readonly Lock _position = new();

    private WeightsBytes(string name, Stream stream, bool leavesOpen)
    {
        Name = name;
        _stream = stream;
        _leavesOpen = leavesOpen;
        _start = stream.Position;
        Length = stream.Length - _start;

        // A file of our own is read by offsets alone, which nobody has to wait for.
        if (!leavesOpen && stream is FileStream file) _handle = file.SafeFileHandle;
    }

    private WeightsBytes(string name, FileStream stream, MappedFile map)
        : this(name, stream, leavesOpen: false) => (_map, _isMapped) = (map, true);

    /// <summary>The file as memory, if it was opened so and is not disposed.</summary>
    public MappedFile? Map => _map;

    /// <summary>The name for messages.</summary>
    public string Name { get; }

    /// <summary>The number of bytes.</summary>
    public long Length { get; }

    /// <summary>Opens a regular file.</summary>
    public static WeightsBytes Open(string path, MemoryMapping mapping = MemoryMapping.Off)
    {
        var stream = RegularFile.Open(path);
        try
        {
            // An empty file is no memory; that it is no file of weights is said by whoever reads it.
            if (mapping == MemoryMapping.On && stream.Length > 0) return new WeightsBytes(path, stream, new MappedFile(stream, path));
            return new WeightsBytes(path, stream, leavesOpen: false);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Opens a stream; one that cannot seek is read to its end, into a temporary file.</summary>
    public static WeightsBytes Open(Stream stream)
    {
        CheckReadable(stream);
        return stream.CanSeek ? new WeightsBytes(NameOf(stream), stream, leavesOpen: true) : Keep(NameOf(stream), stream);
    }

    /// <inheritdoc cref="Open(Stream)"/>
    public static async Task<WeightsBytes> OpenAsync(Stream stream, CancellationToken cancellationToken)
    {
        CheckReadable(stream);
        if (stream.CanSeek) return new WeightsBytes(NameOf(stream), stream, leavesOpen: true);
        var kept = TemporaryFile.Create();
        try
        {
            await stream.CopyToAsync(kept, cancellationToken).ConfigureAwait(false);
            kept.Position = 0;
            return new WeightsBytes(NameOf(stream), kept, leavesOpen: false);
        }
        catch
        {
            await kept.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Reads bytes that begin at an offset, as many as there are; 0 at the end.</summary>
    public int Read(Span<byte> destination, long offset)
    {
        if (_handle is not null) return RandomAccess.Read(_handle, destination, _start + offset);
        lock (_position)
        {
            _stream.Position = _start + offset;
            return _stream.Read(destination);
        }
    }

    /// <summary>Reads as many bytes as there is room for, or up to the end.</summary>
    public int ReadAtLeast(Span<byte> destination, long offset)
    {
        var done = 0;
        while (done < destination.Length)
        {
            var count = Read(destination[done..], offset + done);
            if (count == 0) break;
            done += count;
        }

        return done;
    }

    /// <summary>A stream over all of the bytes, whose disposal leaves them open.</summary>
    public Stream CreateStream() => new View(this);

    public void Dispose()
    {
        // A file that is mapped is closed with the last tensor in it.
        if (_isMapped) Interlocked.Exchange(ref _map, null)?.Release();
        else if (!_leavesOpen) _stream.Dispose();
    }

    private static void CheckReadable(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (!stream.CanRead) throw new ArgumentException("The stream cannot be read; open it for reading.", nameof(stream));
    }

    private static string NameOf(Stream stream) => stream is FileStream { Name.Length: > 0 } file ? file.Name : "(stream)";

    private static WeightsBytes Keep(string name, Stream stream)
    {
        var kept = TemporaryFile.Create();
        try
        {
            stream.CopyTo(kept);
            kept.Position = 0;
            return new WeightsBytes(name, kept, leavesOpen: false);
        }
        catch
        {
            kept.Dispose();
            throw;
        }
    }

    private sealed class View(WeightsBytes bytes) : Stream
    {
        private long _at;

        public override bool CanRead => true;

        public override bool CanSeek => true;

        public override bool CanWrite => false;

        public override long Length => bytes.Length;

        public override long Position
        {
            get => _at;
            set => Seek(value, SeekOrigin.Begin);
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            var room = Math.Max(bytes.Length - _at, 0);
            var count = bytes.Read(buffer.Length > room ? buffer[..(int)room] : buffer, _at);
            _at += count;
            return count;
        }

        public override long Seek(long offset, SeekOrigin origin)
        {
            var at = offset + origin switch { SeekOrigin.Begin => 0, SeekOrigin.Current => _at, _ => bytes.Length };
            if (at < 0) throw new IOException("A position lies before the first byte.");
            return _at = at;
        }

        public override void Flush()
        {
        }

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
