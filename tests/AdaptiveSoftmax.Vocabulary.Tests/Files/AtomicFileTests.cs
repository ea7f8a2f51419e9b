using System.Text;

namespace AdaptiveSoftmax.Vocabulary.Tests.Files;

public sealed class AtomicFileTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("adaptive-softmax-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void FaultAtAnyByte_LeavesTheOldFileAndNoOther()
    {
        var path = At("run");
        File.WriteAllText(path, "old");
        for (var limit = 0; limit < 40; limit++)
        {
            var fault = Assert.Throws<IOException>(() => AtomicFile.Write(path, stream =>
            {
                for (var written = 0; written < limit; written++) stream.WriteByte(7);
                throw new IOException("No space left on device");
            }, Token));
            Assert.Equal("No space left on device", fault.Message);
            Assert.Equal("old", File.ReadAllText(path));
            Assert.Equal(["run"], Names);
        }
    }

    [Fact]
    public void CancellationBeforeTheContentIsComplete_LeavesTheOldFileAndNoOther()
    {
        var path = At("run");
        File.WriteAllText(path, "old");
        using var source = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => AtomicFile.Write(path, stream =>
        {
            stream.WriteByte(1);
            source.Cancel();
        }, source.Token));
        Assert.Throws<OperationCanceledException>(() => AtomicFile.Write(path, _ => Assert.Fail("It began."), source.Token));
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Equal(["run"], Names);
    }

    [Fact]
    public async Task AsynchronousWrite_ReplacesTheFile_OrLeavesIt()
    {
        var path = At("run");
        await AtomicFile.WriteAsync(path, async (stream, token) => await stream.WriteAsync("new"u8.ToArray(), token), Token);
        Assert.Equal("new", await File.ReadAllTextAsync(path, Token));

        using var source = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => AtomicFile.WriteAsync(path, async (stream, token) =>
        {
            await stream.WriteAsync("half"u8.ToArray(), token);
            await source.CancelAsync();
            await stream.WriteAsync("whole"u8.ToArray(), token);
        }, source.Token));
        Assert.Equal("new", await File.ReadAllTextAsync(path, Token));
        Assert.Equal(["run"], Names);
    }

    [Fact]
    public void Text_IsUtf8WithoutAByteOrderMark()
    {
        AtomicFile.WriteText(At("run"), writer => writer.Write("é\n"), Token);
        Assert.Equal([0xC3, 0xA9, 0x0A], File.ReadAllBytes(At("run")));
    }

    [Fact]
    public void FaultInText_IsTheOneReported()
    {
        File.WriteAllText(At("run"), "old");
        Assert.Throws<InvalidOperationException>(() => AtomicFile.WriteText(At("run"), writer =>
        {
            writer.Write("new");
            throw new InvalidOperationException();
        }, Token));
        Assert.Equal("old", File.ReadAllText(At("run")));
        Assert.Equal(["run"], Names);
    }

    [Fact]
    public void SecondWriterOfOneFile_DisturbsNothing_AndTheLastToEndWins()
    {
        var path = At("run");
        AtomicFile.Write(path, stream =>
        {
            stream.WriteByte((byte)'o');
            AtomicFile.Write(path, inner => inner.Write("inner"u8), Token);
            Assert.Equal("inner", File.ReadAllText(path));
            stream.Write("uter"u8);
        }, Token);
        Assert.Equal("outer", File.ReadAllText(path));
        Assert.Equal(["run"], Names);
    }

    [Fact]
    public void ReadersOfAFileThatSeveralWrite_AlwaysSeeOneWhole()
    {
        const int Writers = 3;
        const int Writes = 60;
        var path = At("run");
        var contents = Enumerable.Range(0, Writers).Select(writer => new string((char)('a' + writer), 5_000 * (writer + 1))).ToHashSet();
        File.WriteAllText(path, contents.First());
        var writing = Writers;
        var threads = contents.Select(content => new Thread(() =>
        {
            for (var i = 0; i < Writes; i++) AtomicFile.WriteText(path, writer => writer.Write(content), Token);
            Interlocked.Decrement(ref writing);
        })).ToList();
        foreach (var thread in threads) thread.Start();
        var torn = 0;
        while (Volatile.Read(ref writing) > 0)
        {
            using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete), Encoding.UTF8);
            if (!contents.Contains(reader.ReadToEnd())) torn++;
        }

        foreach (var thread in threads) thread.Join();
        Assert.Equal(0, torn);
        Assert.Equal(["run"], Names);
    }

    [Fact]
    public void Folder_IsRefusedByName()
    {
        Directory.CreateDirectory(At("run"));
        Assert.Contains("is a folder", Assert.Throws<IOException>(() => Write(At("run"))).Message, StringComparison.Ordinal);
        Assert.Contains("is a folder", Assert.Throws<IOException>(() => Write(At("new") + Path.DirectorySeparatorChar)).Message, StringComparison.Ordinal);
        Assert.Empty(Names);
    }

    [Fact]
    public void MissingFolder_IsNamed_AndTheTemporaryNameIsNot()
    {
        var fault = Assert.Throws<DirectoryNotFoundException>(() => Write(At("no/run")));
        Assert.Contains($"there is no folder '{At("no")}'", fault.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(".tmp", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void EmptyPath_IsAnArgumentException() => Assert.Throws<ArgumentException>(() => Write(""));

    [Fact]
    public void NameOfTheGreatestLength_IsWritten()
    {
        var name = new string('n', 255);
        Write(At(name));
        Assert.Equal([name], Names);
    }

    [Fact]
    public void WhatAKilledWriterLeft_IsNoHindrance()
    {
        File.WriteAllText(At("run.00000000000000000000000000000000.tmp"), "half");
        Write(At("run"));
        Assert.Equal("new", File.ReadAllText(At("run")));
    }

    private string[] Names => [.. _folder.GetFiles().Select(file => file.Name)];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string At(string name) => Path.Combine(_folder.FullName, name);

    private static void Write(string path) => AtomicFile.Write(path, stream => stream.Write("new"u8), Token);
}
