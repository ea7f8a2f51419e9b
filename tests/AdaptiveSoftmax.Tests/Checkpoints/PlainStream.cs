namespace AdaptiveSoftmax.Tests.Checkpoints;

/// <summary>A stream with fewer talents than the one under it.</summary>
internal sealed class PlainStream(Stream inner) : Stream
{
    public bool IsAsynchronousAlone { get; init; }

    public bool CanSeekToo { get; init; }

    public bool FailsToWrite { get; init; }

    public Action? OnRead { get; init; }

    public override bool CanRead => inner.CanRead;

    public override bool CanSeek => CanSeekToo;

    public override bool CanWrite => inner.CanWrite;

    public override long Length => CanSeekToo ? inner.Length : throw new NotSupportedException();

    public override long Position
    {
        get => CanSeekToo ? inner.Position : throw new NotSupportedException();
        set => inner.Position = CanSeekToo ? value : throw new NotSupportedException();
    }

    public override int Read(byte[] buffer, int offset, int count)
    {
        Assert.False(IsAsynchronousAlone);
        OnRead?.Invoke();
        return inner.Read(buffer, offset, Math.Min(count, 100));
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        await Task.Yield();
        return await inner.ReadAsync(buffer[..Math.Min(buffer.Length, 100)], cancellationToken);
    }

    public override void Write(byte[] buffer, int offset, int count)
    {
        Assert.False(IsAsynchronousAlone);
        if (FailsToWrite) throw new IOException("full");
        inner.Write(buffer, offset, count);
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        await Task.Yield();
        if (FailsToWrite) throw new IOException("full");
        await inner.WriteAsync(buffer, cancellationToken);
    }

    public override void Flush() => Assert.False(IsAsynchronousAlone);

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override long Seek(long offset, SeekOrigin origin) => CanSeekToo ? inner.Seek(offset, origin) : throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
