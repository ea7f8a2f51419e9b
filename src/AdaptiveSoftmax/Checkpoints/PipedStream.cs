using System.IO.Pipelines;

namespace AdaptiveSoftmax;

/// <summary>
/// Takes what a writer writes on one thread to a stream that is written to by its asynchronous methods alone, such as the
/// answer of a web server. No more than a few megabytes are on the way.
/// </summary>
internal sealed class PipedStream : Stream
{
    private const int PauseLength = 4 << 20;
    private const int SegmentLength = 1 << 18;

    private readonly PipeWriter _writer;

    private PipedStream(PipeWriter writer) => _writer = writer;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Writes to a stream.</summary>
    /// <param name="stream">The stream, which stays open.</param>
    /// <param name="write">Writes all there is, on a thread of the pool.</param>
    /// <param name="cancellationToken">Ends it; what was written stays.</param>
    public static async Task WriteAsync(Stream stream, Action<Stream> write, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: PauseLength, resumeWriterThreshold: PauseLength / 2, minimumSegmentSize: SegmentLength, useSynchronizationContext: false));
        var writing = Task.Run(() => Produce(pipe.Writer, write), CancellationToken.None);
        try
        {
            // A fault of the writer comes out here.
            await pipe.Reader.CopyToAsync(stream, cancellationToken).ConfigureAwait(false);
            await stream.FlushAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            // The writer must be done with the memory that it reads before the caller goes on.
            await pipe.Reader.CompleteAsync().ConfigureAwait(false);
            await writing.ConfigureAwait(false);
        }
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            var room = _writer.GetSpan(SegmentLength);
            var count = Math.Min(room.Length, buffer.Length);
            buffer[..count].CopyTo(room);
            _writer.Advance(count);
            buffer = buffer[count..];

            // Nobody reads any more after a fault on the other side, which is the one to report.
            if (_writer.FlushAsync().AsTask().GetAwaiter().GetResult().IsCompleted) throw new OperationCanceledException();
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private static void Produce(PipeWriter writer, Action<Stream> write)
    {
        try
        {
            write(new PipedStream(writer));
            writer.Complete();
        }
        catch (Exception exception)
        {
            writer.Complete(exception);
        }
    }
}
